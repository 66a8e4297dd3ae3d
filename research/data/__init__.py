"""From audio, images or tables to batches of frames `[batch, frames, bins]`."""
