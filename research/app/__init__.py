"""A local page in the browser: two recordings in, a transfer out."""
