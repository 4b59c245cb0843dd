"""From other people's objects to requests, and back: each adapter is imported by itself."""
