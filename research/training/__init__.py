"""How a classifier is trained, kept and judged."""
