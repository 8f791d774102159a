"""The table of ops: one row an op. A row says what faces the op has and how its arguments bind.

An op is a pure function on `jax.Array`s with torch's name, argument names, order and defaults:

    @op("torch", "method", "inplace", "functional")
    def relu(input: Array) -> Array:
        return jnp.maximum(input, 0)

Its annotations say how each argument is passed (they are read as text, so write them like this):

    Array, Array | None   a traced argument: a Tensor, an array or a Python number
    Sequence[Array]       a traced list of those
    Number | Array        a Python number is static (one executable a value), a Tensor is traced
    anything else         static: hashable (lists are made tuples), part of the executable's key

Ops run under scoped 64-bit and name their result types by torch's rules (`_ops/_common.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

Array = jax.Array
Number = int | float | bool | complex

TRACED, LIST, EITHER, STATIC = "traced", "list", "either", "static"
FACES = frozenset({"torch", "method", "inplace", "functional", "special", "linalg", "fft"})


@dataclass(slots=True, eq=False)
class Row:
    """One op: its function, its faces and how its arguments bind.

    Attributes:
        faces: where the op is exposed: `torch` (torchcompat.f), `method` (Tensor.f), `inplace`
            (Tensor.f_ and torchcompat.f_), `functional` (nn.functional.f), `special`, `linalg`, `fft`.
        kinds: for each parameter, how it is passed.
        varargs: the parameter that also comes spread out: `x.permute(0, 1)`.
        view: layout rule `(size, stride, offset, *static) -> (size, stride, offset)`, or None when
            the result aliases nothing.
        returns: field names of the named tuple that the op returns, or None.
        grad_name: name of the autograd node, `ReluBackward0`.
    """

    name: str
    fn: Callable
    faces: frozenset[str]
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    defaults: dict[str, Any]
    kwonly: int
    varargs: str | None
    view: Callable | None
    returns: tuple[str, ...] | None
    grad_name: str
    differentiable: bool
    aliases: tuple[str, ...]
    jitted: dict[Any, Callable] = field(default_factory=dict)


ROWS: dict[str, Row] = {}


def _kind(annotation: str) -> str:
    if annotation.startswith(("Sequence[Array", "list[Array")):
        return LIST
    if "Array" not in annotation:
        return STATIC
    return EITHER if "Number" in annotation else TRACED


def op(
    *faces: str,
    name: str | None = None,
    aliases: Sequence[str] = (),
    varargs: str | None = None,
    view: Callable | None = None,
    returns: str | None = None,
    grad: str | None = None,
    differentiable: bool = True,
) -> Callable[[Callable], Callable]:
    """Registers a pure function as an op and returns it unchanged. See `Row` for the arguments."""
    unknown = set(faces) - FACES
    if unknown:
        raise ValueError(f"unknown faces {sorted(unknown)}")

    def register(fn: Callable) -> Callable:
        title = name or fn.__name__.rstrip("_")
        if title in ROWS:
            raise ValueError(f"op {title!r} is registered twice")
        ROWS[title] = _make_row(title, fn, faces, aliases, varargs, view, returns, grad, differentiable)
        return fn

    return register


def _make_row(title, fn, faces, aliases, varargs, view, returns, grad, differentiable) -> Row:
    code = fn.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(fn.__kwdefaults__ or {})
    if fn.__defaults__:
        defaults |= zip(names[: code.co_argcount][-len(fn.__defaults__) :], fn.__defaults__)
    return Row(
        name=title,
        fn=fn,
        faces=frozenset(faces),
        names=names,
        kinds=tuple(_kind(str(fn.__annotations__.get(n, ""))) for n in names),
        defaults=defaults,
        kwonly=code.co_kwonlyargcount,
        varargs=varargs,
        view=view,
        returns=tuple(returns.split()) if returns else None,
        grad_name=grad or "".join(p.title() for p in title.split("_")) + "Backward0",
        differentiable=differentiable,
        aliases=tuple(aliases),
    )


def executable(row: Row, static: tuple, fills: tuple) -> Callable:
    """The jitted function of the row's traced arguments, its static arguments fixed.

    Args:
        static: `(position, value)` of each static argument.
        fills: positions of the traced arguments, in order.
    """
    positional = len(row.names) - row.kwonly

    def run(*arrays):
        values: list[Any] = [None] * len(row.names)
        for position, value in static:
            values[position] = value
        for position, value in zip(fills, arrays):
            values[position] = value
        return row.fn(*values[:positional], **dict(zip(row.names[positional:], values[positional:])))

    run.__name__ = run.__qualname__ = row.name
    return jax.jit(run)


def forget_executables() -> None:
    """Drops every cached executable; needed when the default dtype changes."""
    for row in ROWS.values():
        row.jitted.clear()
