"""The table of ops: one row an op. A row says what faces the op has and how its arguments bind.

An op is a pure function on `jax.Array`s with torch's name, argument names, order and defaults:

    @op("torch", "method", "inplace", "functional")
    def relu(input: Array) -> Array:
        return jnp.maximum(input, 0)

Its annotations say how each argument is passed (they are read as text, so write them like this):

    Array, Array | None   a traced argument: a Tensor, an array or a Python number
    Layout                the traced argument of a layout rule (`view`)
    Sequence[Array]       a traced list of those
    Number | Array        a Python number is static (one executable a value), a Tensor is traced
    anything else         static: hashable (lists are made tuples), part of the executable's key

Ops run under scoped 64-bit and name their result types by torch's rules (`_ops/_common.py`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from torchcompat import _layout, _strided

Array = jax.Array
Number = int | float | bool | complex

TRACED, LIST, EITHER, STATIC = "traced", "list", "either", "static"
# A traced list in which numbers and None may stand; for rows that the machinery makes.
MIXED = "mixed"
FACES = frozenset({"torch", "method", "inplace", "functional", "special", "linalg", "fft"})


@dataclass(slots=True, eq=False, kw_only=True)
class Row:
    """One op: its function, its faces and how its arguments bind.

    Attributes:
        faces: where the op is exposed: `torch` (torchcompat.f), `method` (Tensor.f), `inplace`
            (Tensor.f_ and torchcompat.f_), `functional` (nn.functional.f), `special`, `linalg`, `fft`.
        kinds: for each parameter, how it is passed.
        varargs: the parameter that also comes spread out: `x.permute(0, 1)`.
        view: layout rule `(layout, *arguments) -> layout`, or a list of layouts for several results;
            None when the result aliases nothing. A rule that returns None asks for the function.
        check: called with the op's arguments before it runs, to refuse kinds of argument.
        verify: called with them after it ran and found nothing wrong with sizes and types, to refuse
            what only values can tell (an index out of range); it lets traced values pass.
        returns: field names of the named tuple that the op returns, or None.
        grad_name: name of the autograd node, `ReluBackward0`; or a function that gives it from the
            number of dimensions of each traced argument.
        order: how its results lie in memory (`_tensor/_orders.py`); None where they are in order.
    """

    name: str
    fn: Callable
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    grad_name: str | Callable[..., str]
    faces: frozenset[str] = frozenset()
    defaults: dict[str, Any] = field(default_factory=dict)
    kwonly: int = 0
    varargs: str | None = None
    view: Callable | None = None
    check: Callable | None = None
    verify: Callable | None = None
    returns: tuple[str, ...] | None = None
    differentiable: bool = True
    aliases: tuple[str, ...] = ()
    order: str | None = None
    jitted: dict[Any, Callable] = field(default_factory=dict)


ROWS: dict[str, Row] = {}


class _Missing:
    """Stands for a required argument that was not given."""

    def __repr__(self) -> str:
        return "<required>"


MISSING = _Missing()


def _kind(annotation: str) -> str:
    if annotation.startswith(("Sequence[Array", "list[Array")):
        return LIST
    if annotation == "Layout":
        return TRACED
    if "Array" not in annotation:
        return STATIC
    return EITHER if "Number" in annotation else TRACED


def op(
    *faces: str,
    name: str | None = None,
    aliases: Sequence[str] = (),
    varargs: str | None = None,
    view: Callable | None = None,
    check: Callable | None = None,
    verify: Callable | None = None,
    returns: str | None = None,
    grad: str | Callable[..., str] | None = None,
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
        ROWS[title] = _make_row(
            title, fn, faces, aliases, varargs, view, check, verify, returns, grad, differentiable
        )
        return fn

    return register


def view(*faces: str, **options: Any) -> Callable[[Callable], Callable]:
    """Registers a layout rule as an op: the rule makes the alias, reading its layout is the function.

    The rule's first parameter is a layout; it raises the op's errors. Options as for `op`.
    """

    def register(rule: Callable) -> Callable:
        names = rule.__code__.co_varnames
        kinds = rule.__annotations__

        @functools.lru_cache(4096, typed=True)
        @functools.wraps(rule)
        def kept(input: Any, *arguments: Any) -> Any:
            check_static(options.get("name", rule.__name__), kinds, names, enumerate(arguments, 1))
            return rule(input, *arguments)

        @functools.wraps(rule)
        def fn(input: Array, *arguments: Any) -> Any:
            layout = kept(_layout.contiguous(tuple(input.shape)), *arguments)
            if isinstance(layout, list):
                return tuple(_strided.read(input, one) for one in layout)
            return _strided.read(input, layout)

        op(*faces, view=kept, **options)(fn)
        return rule

    return register


def _is_int(x: Any) -> bool:
    return isinstance(x, int)


def _is_bool(x: Any) -> bool:
    return isinstance(x, (bool, np.bool_))


def _is_float(x: Any) -> bool:
    return isinstance(x, (int, float, np.number))


def _is_text(x: Any) -> bool:
    return isinstance(x, str)


def _are_ints(x: Any) -> bool:
    return all(map(_is_int, x)) if isinstance(x, (tuple, list)) else _is_int(x)


# annotation, but for a `| None` -> torch's name of the type, and whether a value is of it
_DECLARED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("int", _is_int),
    "bool": ("bool", _is_bool),
    "float": ("float", _is_float),
    "str": ("str", _is_text),
    "Sequence[int]": ("tuple of ints", _are_ints),
    "tuple[int, ...]": ("tuple of ints", _are_ints),
    "int | tuple[int, ...]": ("tuple of ints", _are_ints),
    "Dims": ("tuple of ints", _are_ints),
}


def check_static(
    name: str,
    annotations: dict[str, Any],
    names: Sequence[str],
    given: Iterable[tuple[int, Any]],
) -> None:
    """Raises torch's error where an argument is missing, or of another type than is declared.

    Args:
        given: positions and values; the tensor itself has position 0, as for a method.
    """
    values = list(given)
    check_given(name, [names[position] for position, value in values if value is MISSING])
    for position, value in values:
        title = names[position]
        declared = str(annotations.get(title, ""))
        kind, fits = _DECLARED.get(declared.removesuffix(" | None"), ("", None))
        if fits is None or value is None and declared.endswith(("None", "Dims")) or fits(value):
            continue
        given = next((x for x in value if not _is_int(x)), value) if type(value) is tuple else value
        raise TypeError(
            f"{name}(): argument '{title}' (position {position}) must be {kind}, "
            f"not {type(given).__name__}"
        )


def check_given(name: str, missing: Sequence[str]) -> None:
    """Raises torch's error for required arguments that are missing."""
    if missing:
        titles = ", ".join(f'"{title}"' for title in missing)
        raise TypeError(
            f"{name}() missing {len(missing)} required positional argument"
            f"{'s' if len(missing) == 1 else ''}: {titles}"
        )


def _make_row(
    title, fn, faces, aliases, varargs, view, check, verify, returns, grad, differentiable
) -> Row:
    declared = inspect.unwrap(fn)
    code = declared.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults = dict(declared.__kwdefaults__ or {})
    if declared.__defaults__:
        defaults |= zip(
            names[: code.co_argcount][-len(declared.__defaults__) :], declared.__defaults__
        )
    return Row(
        name=title,
        fn=fn,
        faces=frozenset(faces),
        names=names,
        kinds=tuple(_kind(str(declared.__annotations__.get(n, ""))) for n in names),
        defaults=defaults,
        kwonly=code.co_kwonlyargcount,
        varargs=varargs,
        view=view,
        check=check,
        verify=verify,
        returns=tuple(returns.split()) if returns else None,
        grad_name=grad or "".join(p.title() for p in title.split("_")) + "Backward0",
        differentiable=differentiable,
        aliases=tuple(aliases),
    )


def partial(row: Row, static: tuple, fills: tuple) -> Callable:
    """The row's function of its traced arguments, its static arguments fixed.

    Args:
        static: `(position, value)` of each static argument.
        fills: positions of the traced arguments, in order.
    """
    positional = len(row.names) - row.kwonly
    annotations = getattr(inspect.unwrap(row.fn), "__annotations__", {})
    check_static(row.name, annotations, row.names, static)

    def run(*arrays):
        values: list[Any] = [None] * len(row.names)
        for position, value in static:
            values[position] = value
        for position, value in zip(fills, arrays):
            values[position] = value
        return row.fn(
            *values[:positional], **dict(zip(row.names[positional:], values[positional:]))
        )

    run.__name__ = run.__qualname__ = row.name
    return run


def forget_executables() -> None:
    """Drops every cached executable; needed when the default dtype changes."""
    for row in ROWS.values():
        row.jitted.clear()
