"""Verifiable history: canonical entries, a Merkle tree over them, checkpoints and proofs."""
