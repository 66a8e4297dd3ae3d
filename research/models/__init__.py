"""Genre classifiers, one network a file; each returns logits and all its activations by name."""
