"""Shared test support: the service as a real process, and the requests that are sent to it."""
