"""The judge of style transfers. It shares no code with the loss that a transfer minimises."""
