"""How good recorded answers were, judged by what the same log holds later."""
