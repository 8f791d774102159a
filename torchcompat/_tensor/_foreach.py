"""`torch._foreach_*`: one function of each tensor of a list, as optimizers use them.

The results are a tuple; `_foreach_f_` writes to the tensors and returns them in a list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import ops
from torchcompat._tensor._dispatch import ARRAYS, lifted
from torchcompat._tensor._overloads import max as _max
from torchcompat._tensor._tensor import Tensor

_UNARY = """abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2
neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc""".split()
_BINARY = "add sub mul div clamp_max clamp_min maximum minimum pow".split()
_POINTWISE = ("addcmul", "addcdiv")
_TENSORS = (Tensor, *ARRAYS)


def _check(name: str, lists: Sequence[Any]) -> None:
    first = lists[0]
    if isinstance(first, _TENSORS):
        kinds = ", ".join("Tensor" if isinstance(x, _TENSORS) else type(x).__name__ for x in lists)
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({kinds}), but expected "
            "one of:\n * (tuple of Tensors self)\n"
        )
    for i, x in enumerate(first):
        if not isinstance(x, _TENSORS):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}"
            )
    if not len(first):
        raise RuntimeError("Tensor list must have at least one tensor.")
    for other in lists[1:]:
        if not isinstance(other, (list, tuple)) or len(other) == len(first):
            continue
        if all(isinstance(x, _TENSORS) for x in other):
            raise RuntimeError(
                "Tensor lists must have the same number of tensors, "
                f"got {len(first)} and {len(other)}"
            )
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")


def _spread(x: Any, count: int) -> Sequence[Any]:
    """One value for each tensor: those of a list, or one for all."""
    if isinstance(x, (list, tuple)):
        return x
    if isinstance(x, _TENSORS) and x.ndim:
        raise RuntimeError(
            f"scalar tensor expected to be 0 dim but it has {x.ndim} dimensions and "
            f"{x.numel()} elements."
        )
    return [x] * count


def _unary(name: str) -> tuple[Callable, Callable]:
    def plain(self: Sequence[Any]) -> tuple:
        _check(f"_foreach_{name}", [self])
        return tuple(getattr(x, name)() for x in self)

    def inplace(self: Sequence[Any]) -> list:
        _check(f"_foreach_{name}_", [self])
        return [getattr(x, f"{name}_")() for x in self]

    return plain, inplace


def _two(name: str, x: Tensor, y: Any, options: dict[str, Any]) -> Tensor:
    if name in ("maximum", "minimum") and not isinstance(y, _TENSORS):
        return x.clamp_min(y) if name == "maximum" else x.clamp_max(y)
    if name in ("clamp_max", "clamp_min") and isinstance(y, _TENSORS):
        return ops.minimum(x, y) if name == "clamp_max" else ops.maximum(x, y)
    return getattr(x, name)(y, **options)


def _binary(name: str) -> tuple[Callable, Callable]:
    def plain(self: Any, other: Any = None, *, alpha: Any = 1, **named: Any) -> tuple:
        other = _second(other, named)
        options = {} if name not in ("add", "sub") or alpha == 1 else {"alpha": alpha}
        if (
            name == "pow"
            and not isinstance(self, (list, tuple))
            and isinstance(other, (list, tuple))
        ):
            return tuple(ops.pow(self, x) for x in other)
        _check(f"_foreach_{name}", [self, other])
        return tuple(_two(name, x, y, options) for x, y in zip(self, _spread(other, len(self))))

    def inplace(self: Any, other: Any = None, *, alpha: Any = 1, **named: Any) -> list:
        other = _second(other, named)
        options = {} if name not in ("add", "sub") or alpha == 1 else {"alpha": alpha}
        _check(f"_foreach_{name}_", [self, other])
        for x, y in zip(self, _spread(other, len(self))):
            if name in ("add", "sub", "mul", "div", "pow"):
                getattr(x, f"{name}_")(y, **options)
            else:
                x.copy_(_two(name, x, y, options))
        return list(self)

    return plain, inplace


def _second(other: Any, named: dict[str, Any]) -> Any:
    for word in ("scalar", "scalars", "exponent", "tensor"):
        if word in named:
            return named[word]
    return other


def _pointwise(name: str) -> tuple[Callable, Callable]:
    def arguments(self: Any, tensor1: Any, tensor2: Any, value: Any) -> Any:
        _check(f"_foreach_{name}", [self, tensor1, tensor2])
        if isinstance(value, _TENSORS) and value.ndim:
            value = value.tolist()
            if len(value) != len(self):
                raise RuntimeError(
                    f"Expected length of scalars to match input of length {len(self)} but got "
                    f"{len(value)} instead."
                )
        _check(f"_foreach_{name}", [self, value])
        return zip(self, tensor1, tensor2, _spread(value, len(self)))

    def plain(
        self: Any, tensor1: Any, tensor2: Any, value: Any = 1, *, scalars: Any = None
    ) -> tuple:
        given = value if scalars is None else scalars
        found = arguments(self, tensor1, tensor2, given)
        return tuple(getattr(x, name)(a, b, value=v) for x, a, b, v in found)

    def inplace(
        self: Any, tensor1: Any, tensor2: Any, value: Any = 1, *, scalars: Any = None
    ) -> list:
        given = value if scalars is None else scalars
        found = arguments(self, tensor1, tensor2, given)
        return [getattr(x, f"{name}_")(a, b, value=v) for x, a, b, v in found]

    return plain, inplace


def _lerp(self: Any, tensors1: Any, weight: Any = None, **named: Any) -> tuple:
    weight = named.get("weights", weight)
    _check("_foreach_lerp", [self, tensors1, weight])
    return tuple(
        x.lerp(y, w) for x, y, w in zip(self, tensors1, _spread(weight, len(self)), strict=True)
    )


def _lerp_(self: Any, tensors1: Any, weight: Any = None, **named: Any) -> list:
    weight = named.get("weights", weight)
    _check("_foreach_lerp_", [self, tensors1, weight])
    return [
        x.lerp_(y, w) for x, y, w in zip(self, tensors1, _spread(weight, len(self)), strict=True)
    ]


def _norm(self: Any, ord: Any = 2, dtype: Any = None) -> tuple:
    _check("_foreach_norm", [self])
    return tuple(ops.linalg_vector_norm(x, ord, None, False, dtype=dtype) for x in self)


def _powsum(self: Any, ord: Any = 2, dtype: Any = None) -> tuple:
    _check("_foreach_powsum", [self])
    return tuple(x.abs().pow(ord).sum(dtype=dtype) for x in self)


def _largest(self: Any) -> tuple:
    _check("_foreach_max", [self])
    return tuple(map(_max, self))


def _mm(self: Any, mat2: Any) -> tuple:
    _check("_foreach_mm", [self, mat2])
    return tuple(x.mm(y) for x, y in zip(self, mat2))


def _clone(self: Any, *, memory_format: Any = None) -> tuple:
    _check("_foreach_clone", [self])
    return tuple(x.clone() for x in self)


def _zero_(self: Any) -> list:
    _check("_foreach_zero_", [self])
    return [x.zero_() for x in self]


def _copy_(self: Any, src: Any, non_blocking: bool = False) -> list:
    _check("_foreach_copy_", [self, src])
    return [x.copy_(y) for x, y in zip(self, src)]


_MADE: dict[str, Callable] = {
    "clone": _clone,
    "copy_": _copy_,
    "lerp": _lerp,
    "lerp_": _lerp_,
    "max": _largest,
    "mm": _mm,
    "norm": _norm,
    "powsum": _powsum,
    "zero_": _zero_,
}
for _make, _names in ((_unary, _UNARY), (_binary, _BINARY), (_pointwise, _POINTWISE)):
    for _name in _names:
        _MADE[_name], _MADE[f"{_name}_"] = _make(_name)

__all__ = [f"_foreach_{name}" for name in _MADE]
for _name, _function in _MADE.items():
    _function.__name__ = _function.__qualname__ = f"_foreach_{_name}"
    _function.__doc__ = f"`{_name}` of each tensor of a list."
    _function.__module__ = "torchcompat"
    globals()[f"_foreach_{_name}"] = lifted(_function)
