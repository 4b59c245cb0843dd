"""Volatility forecasts: from closes in one pass, or from a state that is fed bar by bar."""
