"""Depth of a market, what trading in it costs, and the largest trade it bears."""
