"""Terms of the loss: the contracts in `base`, one file a term, all of them in `registry`."""
