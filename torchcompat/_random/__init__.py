"""Random numbers: torch's CPU streams bit for bit on the host, JAX keys under tracing.

Uniform, normal (also of a truncated normal), integer, permutation, Bernoulli, exponential,
geometric, log-normal, Cauchy and multinomial numbers equal those of torch 2.13 on x86 with AVX2 or
AVX-512, whatever machine this runs on. Two things may differ: a torch that runs its plain kernels
(`torch.backends.cpu.get_cpu_capability() == "DEFAULT"`) gives normal numbers, and uniform and
Cauchy numbers in a range of one's own, that differ in the last places; and multinomial without
replacement may list categories that tie (those of probability zero, or quotients that agree in 16
bits) in another order.
"""

from torchcompat._random._key import KeyCell, UncarriedKeyError, is_staging, rng_key, state
from torchcompat._random._mt19937 import DEFAULT_SEED, Generator
from torchcompat._random._sample import DISTRIBUTIONS, Distribution, sample
from torchcompat._random._streams import (
    current,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
    start_own_stream,
)

__all__ = [
    "DEFAULT_SEED",
    "DISTRIBUTIONS",
    "Distribution",
    "Generator",
    "KeyCell",
    "UncarriedKeyError",
    "current",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "is_staging",
    "manual_seed",
    "rng_key",
    "sample",
    "seed",
    "set_rng_state",
    "start_own_stream",
    "state",
]
