"""Tables of the store. Knows nothing of the wire models."""
