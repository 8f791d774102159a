"""JAX keys: the cell that traced code draws from, `rng_key`, and when a key is needed."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

try:
    from jax._src.core import trace_state_clean as _no_trace_at_all
except ImportError:

    def _no_trace_at_all() -> bool:
        """JAX's private quick test is gone: the slower public one in `is_staging` decides."""
        return False


_IMPL = "threefry2x32"
_ONE = np.float32(1)


class _State(threading.local):
    """Per-thread modes.

    Attributes:
        carried_keys: whether the running trace carries generators' `key_cell`s as its state.
        rng_key: the `_Stream` of the innermost `rng_key`, or None.
        generator: the thread's own default generator, or None.
    """

    carried_keys: bool = False
    rng_key: _Stream | None = None
    generator: Any = None


class UncarriedKeyError(RuntimeError):
    """A traced program draws random numbers without a key that is among its inputs.

    Attributes:
        cell: the `key_cell` it would have drawn from.
    """

    def __init__(self, cell: KeyCell) -> None:
        super().__init__(
            "random numbers inside jax.jit need a key: inside the traced function enter "
            "`with torchcompat.random.rng_key(key):`, or compile it with torchcompat.compile, "
            "which carries the key of the default generator"
        )
        self.cell = cell


class KeyCell:
    """The box that holds a generator's JAX key.

    Attributes:
        value: the key's data, uint32 of shape (2,).
        version: how many times a compiled program has replaced it.
    """

    __slots__ = ("value", "version", "__weakref__")

    def __init__(self) -> None:
        self.version = 0
        self.seed(0)

    def seed(self, seed: int) -> None:
        """Starts again from a seed of 64 bits."""
        self.value: Any = self._of_seed(seed)

    @staticmethod
    def _of_seed(seed: int) -> np.ndarray:
        # A NumPy array, so that `import torchcompat` starts no JAX backend.
        return np.array([seed >> 32, seed & 0xFFFFFFFF], np.uint32)

    def next_key(self) -> jax.Array:
        """Splits off a fresh key."""
        if is_staging() and not (state.carried_keys and isinstance(self.value, jax.core.Tracer)):
            raise UncarriedKeyError(self)
        kept, drawn = jax.random.split(jax.random.wrap_key_data(self.value, impl=_IMPL))
        self.value = jax.random.key_data(kept)
        return drawn

    def pack(self, seed: int) -> np.ndarray:
        """The key as three words; zeros if it is still that of `seed`.

        Raises:
            RuntimeError: the key is a tracer.
        """
        if isinstance(self.value, jax.core.Tracer):
            raise RuntimeError("the state of a generator cannot be read while JAX is tracing")
        value = np.asarray(self.value)
        moved = not np.array_equal(value, self._of_seed(seed))
        return np.array([*value, 1] if moved else [0, 0, 0], np.uint32)

    @classmethod
    def unpack(cls, words: np.ndarray, seed: int) -> np.ndarray:
        """The key that `pack` wrote."""
        return words[:2].copy() if words[2] else cls._of_seed(seed)


class _Stream:
    """The keys of one `rng_key`. Counted, not split: no tracer outlives the trace it belongs to."""

    def __init__(self, key: Any) -> None:
        if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            key = jax.random.wrap_key_data(key)
        self.key = key
        self.drawn = 0

    def next_key(self) -> jax.Array:
        if is_staging() and not isinstance(self.key, jax.core.Tracer):
            warnings.warn(
                "the key given to rng_key becomes a constant of the program that JAX is tracing; "
                "enter rng_key inside the traced function, with a key that is its argument",
                stacklevel=4,
            )
        self.drawn += 1
        return jax.random.fold_in(self.key, self.drawn)


state = _State()


@contextlib.contextmanager
def rng_key(key: Any) -> Iterator[None]:
    """All random numbers drawn inside come from `key`, a JAX key, traced or not.

    It takes the place of every generator. Under `jax.jit`, enter it inside the traced function,
    with a key that is one of its arguments: each call then has the numbers of the key it is given.

    Args:
        key: `jax.random.key(0)`, or the older `jax.random.PRNGKey(0)`.

    Example:
        >>> import jax
        >>> from torchcompat._random import rng_key, sample
        >>> def noise(key):
        ...     with rng_key(key):
        ...         return sample("normal", None, (3,), "float32")
        >>> jax.jit(noise)(jax.random.key(0)).shape
        (3,)
    """
    before, state.rng_key = state.rng_key, _Stream(key)
    try:
        yield
    finally:
        state.rng_key = before


def is_staging() -> bool:
    """Whether JAX is tracing a program to run later (`jit`, `eval_shape`, `export`, `scan` ...).

    False in eager code, and under `jax.grad` or `jax.vmap` of eager code, where values that do
    not depend on the arguments are plain arrays.
    """
    return not _no_trace_at_all() and isinstance(jnp.add(_ONE, _ONE), jax.core.Tracer)


def next_key(generator: Any) -> jax.Array:
    """A fresh key: of the innermost `rng_key` if there is one, else of the generator."""
    source = state.rng_key
    return generator.next_key() if source is None else source.next_key()
