"""Hedge triggers, one file each: from a net delta to the delta to trade, or nothing."""
