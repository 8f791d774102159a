"""`autograd.profiler`: names for regions, handed to JAX's own profiler.

Measuring is `jax.profiler`'s work: it sees the regions named here. The classes that would print torch's
tables raise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

__all__ = ["emit_itt", "emit_nvtx", "profile", "record_function"]


class record_function:
    """Names what runs inside of a `with` block or a decorated function in `jax.profiler`'s traces.

    Args:
        name: the name.
        args: accepted.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args

    def __enter__(self) -> record_function:
        self._region = jax.profiler.TraceAnnotation(self.name)
        self._region.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        self._region.__exit__(*exc)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.name, self.args):
                return function(*args, **kwargs)

        return inside


class _Disabled:
    """A profiler that can only be off.

    Raises:
        NotImplementedError: it is switched on.
    """

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        if enabled:
            raise NotImplementedError(
                f"{type(self).__name__}(enabled=True): use jax.profiler.trace instead"
            )

    def __enter__(self) -> _Disabled:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class profile(_Disabled):
    """torch's profiler, off: `jax.profiler` measures here."""


class emit_nvtx(_Disabled):
    """Ranges for NVIDIA's profiler, off."""


class emit_itt(_Disabled):
    """Ranges for Intel's profiler, off."""
