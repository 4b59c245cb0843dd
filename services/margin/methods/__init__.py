"""Margin models, one file each."""
