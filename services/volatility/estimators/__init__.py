"""One estimator per file; `services.volatility.registry` lists them."""
