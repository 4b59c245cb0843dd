"""Use cases: gather, decide, act. One file each; no HTTP, no SQL."""
