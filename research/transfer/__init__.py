"""Style transfer: representations, terms of the loss, variables, and their optimisation."""
