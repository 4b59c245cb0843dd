"""Pages in headless Chromium, driven over its debugging protocol."""
