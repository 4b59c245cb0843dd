"""Bodies that no client should send, and some that are merely odd: none may stop, stall or inflate the service."""
