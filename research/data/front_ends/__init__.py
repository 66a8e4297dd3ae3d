"""From files to the frames of a classifier: one front end a file, by name in `registry`."""
