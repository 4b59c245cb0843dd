"""Functional core of Trimtab: numbers in, numbers and reasons out; no I/O, no clock, no hidden randomness."""
