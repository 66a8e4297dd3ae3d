"""Music style transfer in JAX."""

from research import signals

# Before anything else is imported, which takes a second in which Ctrl-C is as likely as later.
if signals.is_program():
    signals.prepare()
