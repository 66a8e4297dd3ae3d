"""Audio files, spectrograms and phase recovery. Nothing here depends on a network."""
