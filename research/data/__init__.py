"""From folders of audio or pictures, or tables, to batches of what a classifier sees."""
