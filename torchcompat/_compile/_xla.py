"""How programs are handed to XLA: what its CPU backend (jax 0.10.2) must be told to be fast."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax

# YNNPACK's convolutions take up to twice the time of Eigen's; of its library the rest is fast.
# Without an analysis of regions the new value of a parameter is written over a copy of the old one.
_WANTED = {
    "xla_cpu_experimental_ynn_fusion_type": (
        "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    ),
    "xla_cpu_copy_insertion_use_region_analysis": True,
}
# What a program needs on the way is taken from the system anew at each call, a page at a time, if it
# is one piece larger than glibc's malloc keeps; in pieces of about the smaller size it is kept.
_HEAP, _PIECE, _KEPT = "xla_multiheap_size_constraint_per_heap", 12 * 2**20, 32 * 2**20


Order = tuple[int, ...]


class Carried(NamedTuple):
    """The orders in which a program hands kernels, and what is as large as they are, on to its next run.

    Attributes:
        homes: by the shape of such a value.
        taken, left: by the places of those arguments and results that come and go in them.
    """

    homes: Mapping[tuple[int, ...], Order] = {}
    taken: Mapping[int, Order] = {}
    left: Mapping[int, Order] = {}


NOTHING_CARRIED = Carried()


class Program:
    """`jax.jit` of a function of lists of arrays, fast on CPUs.

    What is fast there is no program to be differentiated: under a trace it is `jax.jit`'s own.

    Args:
        largest: the bytes of the largest value that it computes.
    """

    def __init__(
        self,
        function: Callable,
        largest: int,
        donate_argnums: tuple[int, ...] = (),
        carried: Carried = NOTHING_CARRIED,
    ) -> None:
        self._function, self._largest, self._donated = function, largest, donate_argnums
        self._carried = carried
        self._traced = jax.jit(function, donate_argnums=donate_argnums)

    @functools.cached_property
    def _alone(self) -> Any:
        # Made at the first call: which machine there is must not be asked at import.
        function = rewritten(self._function, self._carried)
        return jitted(function, self._largest, self._donated)

    def __call__(self, *lists: Any) -> Any:
        return (self._traced if is_traced(*lists) else self._alone)(*lists)

    def lower(self, *lists: Any) -> Any:
        """The program before it is compiled, as `jax.jit`'s."""
        return self._alone.lower(*lists)


def is_traced(*lists: Any) -> bool:
    """Whether JAX traces the call that is given these."""
    kinds = {kind for one in lists if type(one) is list for kind in set(map(type, one))}
    return any(issubclass(kind, jax.core.Tracer) for kind in kinds)


def rewritten(function: Callable, carried: Carried = NOTHING_CARRIED) -> Callable:
    """The function in the form that is fast here, with arrays that come and go in other orders."""
    if jax.default_backend() != "cpu":
        return function
    # It takes a tenth of the time that torchcompat takes to import.
    from torchcompat._compile import _channels_last

    return _channels_last.inside(function, carried)


def homes(jaxpr: Any, state: list) -> dict[tuple[int, ...], Order]:
    """By their shapes, the orders in which the kernels of a program are to be handed on to its next run.

    Args:
        state: the arrays that its first arguments are.
    """
    if jax.default_backend() != "cpu" or is_traced(state):
        return {}
    if any(isinstance(x, jax.Array) and len(x.sharding.device_set) > 1 for x in state):
        return {}
    from torchcompat._compile import _channels_last

    return _channels_last.homes(jaxpr)


def jitted(function: Callable, largest: int, donate_argnums: tuple[int, ...] = ()) -> Any:
    """`jax.jit`, and what XLA must be told here."""
    options = _options(largest) if jax.default_backend() == "cpu" else None
    return jax.jit(function, donate_argnums=donate_argnums, compiler_options=options)


def largest(jaxpr: Any) -> int:
    """The bytes of the largest value that a program computes."""
    sizes = (nbytes(v) for equation in _equations(jaxpr) for v in equation.outvars)
    return max(sizes, default=0)


def nbytes(variable: Any) -> int:
    """The bytes of a variable's value; none for what is no array of numbers."""
    aval = variable.aval
    return math.prod(aval.shape) * aval.dtype.itemsize if hasattr(aval, "dtype") else 0


def _equations(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for given in equation.params.values():
            for one in given if isinstance(given, (tuple, list)) else (given,):
                inner = getattr(one, "jaxpr", one)
                if hasattr(inner, "eqns"):
                    yield from _equations(inner)


def _options(largest: int) -> dict[str, Any]:
    piece = max(_PIECE, largest + largest // 4)  # XLA complains of values larger than a piece
    wanted = {**_WANTED, _HEAP: piece} if piece <= _KEPT else _WANTED
    return {name: value for name, value in wanted.items() if _known(name, _WANTED.get(name, -1))}


@functools.cache
def _known(name: str, value: Any) -> bool:
    """Whether this version of XLA has an option."""
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
