"""Walks through history with the engine that decides live."""
