"""`torch._prims`: a name to import. What torch's primitives are there, `jax.lax` is here."""
