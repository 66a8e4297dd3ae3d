"""What a classifier sees of a track: one front end a file, put together in `registry`."""
