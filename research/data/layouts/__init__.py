"""How the folders of a data set name its tracks and genres: one layout a file, in `registry`."""
