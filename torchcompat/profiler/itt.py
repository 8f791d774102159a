"""`torch.profiler.itt`: Intel's tracing, which JAX does not speak."""

from __future__ import annotations

from torchcompat._absent import fill

__all__ = ["is_available"]


def is_available() -> bool:
    """False: there is no such tracing."""
    return False


fill(globals(), "use jax.profiler", functions="mark range range_pop range_push")
