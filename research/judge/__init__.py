"""The judge of transfers: it shares no code with what is optimised."""
