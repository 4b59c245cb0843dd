"""The demonstration: real closes through the real service, a walk through their history, and a picture of it."""
