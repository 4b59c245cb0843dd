"""Implementations of the ports, one store each. Only `app.lifespan` and the command line import them."""
