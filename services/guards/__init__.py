"""Guards on prices: whether a price may be trusted, for what, and how far."""
