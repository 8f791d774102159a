"""The default generator and the functions that act on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from torchcompat._random import _key
from torchcompat._random._mt19937 import Generator

default_generator = Generator()
default_generator.seed()


def current() -> Generator:
    """The generator that is used where none is given: the default one, or the thread's own."""
    own = _key.state.generator
    return default_generator if own is None else own


def start_own_stream(seed: int) -> None:
    """Gives the running thread a default generator of its own, for as long as it lives."""
    _key.state.generator = Generator().manual_seed(seed)


def manual_seed(seed: Any) -> Generator:
    """Restarts the default generator, its JAX key included, from `int(seed)`; returns it.

    Raises:
        ValueError: `seed` is outside of [-2**63, 2**64).
    """
    return current().manual_seed(int(seed))


def seed() -> int:
    """Restarts the default generator from a seed that the operating system gives; returns it."""
    return current().seed()


def initial_seed() -> int:
    """The seed that the default generator was last started from."""
    return current().initial_seed()


def get_rng_state() -> Any:
    """The state of the default generator, in torch's bytes."""
    return current().get_state()


def set_rng_state(new_state: Any) -> None:
    """Puts the default generator into a state that `get_rng_state` has returned."""
    current().set_state(new_state)


@contextlib.contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Gives the default generator, its JAX key included, the state back that it had on entry.

    Args:
        devices: of no effect: all devices share the default generator.
        enabled: if False, nothing is restored.
    """
    if not enabled or device_type == "meta":
        yield
        return
    generator = current()
    before = generator.snapshot()
    try:
        yield
    finally:
        generator.restore(before)
