"""Imperative shell: HTTP, adapters, use cases."""
