"""Types, checks, outcomes and explanations that every other package of the core speaks."""
