"""Proofs and counterexamples about policies."""
