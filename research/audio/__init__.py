"""Waveforms, spectrograms and the way back: everything that touches sound and no network."""
