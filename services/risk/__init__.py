"""Risk between markets: correlation and what it makes of a book."""
