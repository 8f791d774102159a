"""Hints to torch's compiler: programs here are made per shape, and storages need no fixed address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torchcompat._absent import fill
from torchcompat._compile import compile


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Notes that a tensor keeps its storage, which `compile` finds by itself.

    Raises:
        TypeError: `t` is no tensor.
    """
    _check(t)


def mark_static(t: Any, index: Any = None, **options: Any) -> None:
    """Notes that sizes do not change; every size is static here."""
    _check(t)


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Notes that a size may change: there is one program for each size here."""
    _check(t)


maybe_mark_dynamic = mark_dynamic


def _check(t: Any) -> None:
    if not hasattr(t, "shape") and not callable(t):
        raise TypeError(f"expected a tensor but found {type(t)}")


def graph_break(msg: str = "") -> None:
    """Nothing: programs are not broken up."""


def disallow_in_graph(fn: Any) -> Any:
    """Returns the function."""
    return fn


def forbid_in_graph(fn: Any) -> Any:
    """Returns the function."""
    return fn


def run(fn: Callable | None = None) -> Any:
    """Returns the function."""
    return (lambda f: f) if fn is None else fn


def optimize_assert(backend: Any, **options: Any) -> Callable:
    """A decorator that compiles."""
    return lambda fn: compile(fn, backend=backend)


def is_dynamo_supported() -> bool:
    """False: torch's own compiler is not here."""
    return False


def reset_code_caches() -> None:
    """Nothing to do: programs belong to the callables that `compile` returned."""


fill(
    globals(),
    "there is no FX graph of compiled functions; jax.make_jaxpr shows a program",
    functions="export explain",
)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
