"""Live updates: channels, their positions, what a reader may still be sent."""
