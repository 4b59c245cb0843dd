"""European options: Black-76 prices and Greeks, delta conventions, Greeks of a book."""
