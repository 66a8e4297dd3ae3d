"""Music style transfer in JAX."""
