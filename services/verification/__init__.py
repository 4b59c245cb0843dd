"""Proofs and counterexamples about policies."""

PROVES = (
    "What is proved holds for the size of one linear instrument, alone in the book, with a live signal and usable "
    "data, at every point of the ranges: as the continuous pipeline has it (method, scaling, overlays, margin and "
    "exposure caps, damping, buffer), before rounding to lots, which only ever moves that size toward zero. Books of "
    "several instruments, inverse contracts, options, faults of data and the market itself are not in it. It is "
    "assumed that margin rates do not fall with volatility, that an account starts at its high-water mark, and that a "
    "fixed capital is that mark; a margin rate that is read off returns, or off the rate before it, is taken to be any "
    "from the floor of the policy to 1. A counterexample is a point that the engine itself decided, without returns."
)
"""What a verdict means, in the words of every answer."""
