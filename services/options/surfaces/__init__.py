"""Ways to fit a volatility surface, one a file."""
