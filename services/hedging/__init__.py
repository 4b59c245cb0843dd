"""Hedges: when to trade, and how many contracts."""
