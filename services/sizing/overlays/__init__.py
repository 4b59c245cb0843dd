"""Overlays: one frozen dataclass each, its fields are its parameters."""
