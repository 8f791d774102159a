"""Generators and seeds, `torch.random`; `rng_key` gives traced code its JAX key."""

from torchcompat._random import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    rng_key,
    seed,
    set_rng_state,
)

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "rng_key",
    "seed",
    "set_rng_state",
]
