"""Wire to domain and back: the only place where lists become arrays and strings become numbers."""
