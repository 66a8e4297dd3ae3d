"""Style transfer: what is optimised, where it is looked at, what is asked of it, and how."""
