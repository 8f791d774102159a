"""How programs are handed to XLA: what its CPU backend (jax 0.10.2) must be told to be fast."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax

# YNNPACK's convolutions take up to twice the time of Eigen's; of its library the rest is fast.
# Without an analysis of regions the new value of a parameter is written over a copy of the old one.
_WANTED = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    ),
    "xla_cpu_copy_insertion_use_region_analysis": True,
}


class Program:
    """`jax.jit` of a function of lists of arrays, fast on CPUs.

    What is fast there is no program to be differentiated: under a trace it is `jax.jit`'s own.
    """

    def __init__(self, function: Callable, donate_argnums: tuple[int, ...] = ()) -> None:
        self._function, self._donated = function, donate_argnums
        self._traced = jax.jit(function, donate_argnums=donate_argnums)

    @functools.cached_property
    def _alone(self) -> Any:
        # Made at the first call: which machine there is must not be asked at import.
        return jitted(rewritten(self._function), self._donated)

    def __call__(self, *lists: Any) -> Any:
        return (self._traced if is_traced(*lists) else self._alone)(*lists)

    def lower(self, *lists: Any) -> Any:
        """The program before it is compiled, as `jax.jit`'s."""
        return self._alone.lower(*lists)


def is_traced(*lists: Any) -> bool:
    """Whether JAX traces the call that is given these."""
    kinds = {kind for one in lists if type(one) is list for kind in set(map(type, one))}
    return any(issubclass(kind, jax.core.Tracer) for kind in kinds)


def rewritten(function: Callable) -> Callable:
    """The function in the form that is fast here."""
    if jax.default_backend() != "cpu":
        return function
    # It takes a tenth of the time that torchcompat takes to import.
    from torchcompat._compile import _channels_last

    return _channels_last.inside(function)


def jitted(function: Callable, donate_argnums: tuple[int, ...] = ()) -> Any:
    """`jax.jit`, and what XLA must be told here."""
    options = _options() if jax.default_backend() == "cpu" else None
    return jax.jit(function, donate_argnums=donate_argnums, compiler_options=options)


@functools.cache
def _options() -> dict[str, Any]:
    """Those of the options that this version of XLA has."""
    return {name: value for name, value in _WANTED.items() if _known({name: value})}


def _known(options: dict[str, Any]) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
