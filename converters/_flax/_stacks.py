"""Layers that `nnx.vmap` and `nnx.scan` have stacked: one module whose arrays have one more axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from converters._flax import _nnx


def _vector(size: str, *names: str) -> Callable[[Any], dict[str, tuple]]:
    return lambda layer: {name: (getattr(layer, size),) for name in names}


def _linear(layer: Any) -> dict[str, tuple]:
    return {"kernel": (layer.in_features, layer.out_features), "bias": (layer.out_features,)}


def _general(layer: Any) -> dict[str, tuple]:
    outputs = tuple(layer.out_features)
    return {"kernel": (*layer.in_features, *outputs), "bias": outputs}


def _conv(layer: Any) -> dict[str, tuple]:
    return {"bias": (layer.out_features,), "kernel": tuple(layer.kernel_shape)}


def _last_axis(layer: Any) -> dict[str, tuple]:
    """Of a layer that does not keep its size."""
    held = {name: x for name, x in _nnx.members(layer) if name in ("scale", "bias")}
    return {name: tuple(_nnx.raw(x).shape[-1:]) for name, x in held.items() if _nnx.is_variable(x)}


_NORM = _vector("num_features", "scale", "bias", "mean", "var")
# Of each layer that knows its sizes, the shapes of its variables.
_SHAPES: dict[str, Callable[[Any], dict[str, tuple]]] = {
    "Linear": _linear,
    "LinearGeneral": _general,
    "Conv": _conv,
    "ConvTranspose": _conv,
    "Einsum": lambda layer: {"kernel": tuple(layer.kernel_shape)},
    "Embed": lambda layer: {"embedding": (layer.num_embeddings, layer.features)},
    **dict.fromkeys(("BatchNorm", "LayerNorm", "RMSNorm", "InstanceNorm"), _NORM),
    "GroupNorm": _last_axis,
    "PReLU": lambda layer: {"negative_slope": ()},
}


def stacked(node: Any) -> int | None:
    """How many layers lie in `node`, stacked along the first axis of all of its variables; or None.

    Raises:
        NotImplementedError: a layer's variables have another form than the layer's sizes say.
    """
    counts = {_count(x) for _, x in _nnx.walk(node) if not _nnx.is_variable(x)} - {_UNKNOWN}
    if len(counts) != 1 or counts == {None}:
        return None
    (count,) = counts
    variables = [x for _, x in _nnx.walk(node) if _nnx.is_variable(x)]
    shapes = [_nnx.raw(x).shape for x in variables if not _nnx.is_flax(x, "RngState")]
    return count if all(shape[:1] == (count,) for shape in shapes) else None


_UNKNOWN = object()


def _count(layer: Any) -> Any:
    """Of one layer: how many are stacked in it, None if it is one, `_UNKNOWN` if it does not tell."""
    rows = [shapes for kind, shapes in _SHAPES.items() if _nnx.is_flax(layer, kind)]
    if not rows:
        return _UNKNOWN
    expected, counts = rows[0](layer), set()
    for name, x in _nnx.members(layer):
        if name in expected and _nnx.is_variable(x):
            shape, wanted = tuple(_nnx.raw(x).shape), expected[name]
            if shape != wanted and shape[1:] != wanted:
                raise NotImplementedError(
                    f"wrap: {type(layer).__name__}.{name} of shape {shape}, where the layer says {wanted}; "
                    "of layers that a lifted transform (vmap, scan) stacks, the first axis is the new one"
                )
            counts.add(None if shape == wanted else shape[0])
    return counts.pop() if len(counts) == 1 else _UNKNOWN
