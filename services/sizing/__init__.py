"""From volatility to target quantities: methods, limits, buffer, rounding."""
