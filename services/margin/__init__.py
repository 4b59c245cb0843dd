"""Margin scaled by volatility, liquidation prices, and the sizes that margin allows."""
