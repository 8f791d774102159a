"""A function's schema, from its annotations."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torchcompat._device import device
from torchcompat._dtype import dtype
from torchcompat._tensor import Tensor

_NAMES: dict[Any, str] = {
    Tensor: "Tensor",
    int: "SymInt",
    float: "float",
    bool: "bool",
    str: "str",
    complex: "complex",
    dtype: "ScalarType",
    device: "Device",
    typing.Union[int, float, bool]: "Scalar",  # noqa: UP007  hashes unlike int | float | bool
}
_LISTS = (list, Sequence, tuple)


def _type_name(annotation: Any, where: str) -> str:
    if annotation in _NAMES:
        return _NAMES[annotation]
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType) and type(None) in inside:
        rest = tuple(a for a in inside if a is not type(None))
        return _type_name(typing.Union[rest], where) + "?"  # noqa: UP007
    if origin in _LISTS and inside and (origin is not tuple or inside[-1] is Ellipsis):
        return _type_name(inside[0], where) + "[]"
    raise ValueError(f"infer_schema(func): {where} has unsupported type {annotation}.")


def _returns(annotation: Any) -> str:
    if annotation is None or annotation is type(None):
        return "()"
    if typing.get_origin(annotation) is tuple and Ellipsis not in typing.get_args(annotation):
        return f"({', '.join(_type_name(a, 'Return') for a in typing.get_args(annotation))})"
    return _type_name(annotation, "Return")


def infer_schema(
    prototype_function: Callable,
    /,
    *,
    mutates_args: str | Iterable[str],
    op_name: str | None = None,
    tags: Any = (),
) -> str:
    """The schema of a function: `(Tensor x, SymInt n=3) -> Tensor`.

    Args:
        prototype_function: every argument and the result must be annotated.
        mutates_args: names of arguments that are written to, or "unknown" for all tensors.
        op_name: what the schema starts with.

    Raises:
        ValueError: an annotation is missing or of an unknown type.
    """
    hints = typing.get_type_hints(prototype_function)
    parts, seen_star = [], False
    for i, (name, p) in enumerate(inspect.signature(prototype_function).parameters.items()):
        if name not in hints:
            raise ValueError(f"infer_schema(func): Parameter {name} must have a type annotation.")
        if p.kind is p.KEYWORD_ONLY and not seen_star:
            seen_star = True
            parts.append("*")
        kind = _type_name(hints[name], f"Parameter {name}")
        written = mutates_args == "unknown" or name in mutates_args
        if written and kind.startswith("Tensor"):
            kind = f"Tensor(a{i}!){kind[6:]}"
        default = "" if p.default is p.empty else f"={_default(p.default)}"
        parts.append(f"{kind} {name}{default}")
    return f"{op_name or ''}({', '.join(parts)}) -> {_returns(hints.get('return', ()))}"


def _default(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).replace("torch.", "")
