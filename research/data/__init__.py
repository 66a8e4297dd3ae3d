"""From a folder of audio to batches of spectrograms."""
