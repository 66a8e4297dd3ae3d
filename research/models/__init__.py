"""Genre classifiers, one network a file; `base.py` states what a network is."""
