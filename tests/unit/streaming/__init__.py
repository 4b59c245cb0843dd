"""The pure core of the stream."""
