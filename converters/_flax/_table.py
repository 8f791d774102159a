"""The table of layers: for each Flax layer, torch's names and which Flax values lie behind them how.

NNX and Linen share the rows; where their names differ, a row of each stands here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from converters._flax._layouts import FLAT, FLIPPED, KERNEL, SAME, Layout, matrix, permuted

ZEROS = "0:"


@dataclass(frozen=True)
class Entry:
    """One parameter or buffer under torch's name.

    Attributes:
        name: torch's, dotted where it lies in a child.
        paths: the Flax values behind it; several are joined along torch's first axis. After
            `ZEROS` comes the path of a value that is shaped like one that Flax has not: it reads as
            zeros, and only zeros can be written to it. Those come first.
        layout: of the Flax layer, the layout of each of them.
    """

    name: str
    paths: tuple[str, ...]
    layout: Callable[[Any], Layout]


@dataclass(frozen=True)
class Row:
    """A kind of layer.

    Attributes:
        flax: names of Flax's classes.
        entries: what it holds; an entry whose first value the layer lacks is left out.
        counts: torch counts its batches (`num_batches_tracked`).
        fits: whether torch has this layer as the Flax layer is set up; else its children are shown.
        refuse: why a layer set up like this cannot be shown, or None.
    """

    flax: tuple[str, ...]
    entries: tuple[Entry, ...]
    counts: bool = False
    fits: Callable[[Any], bool] = lambda layer: True
    refuse: Callable[[Any], str | None] = lambda layer: None


def _is(layout: Layout) -> Callable[[Any], Layout]:
    return lambda layer: layout


def _one(name: str, path: str, layout: Layout = SAME) -> Entry:
    return Entry(name, (path,), _is(layout))


def _transposed(layer: Any) -> Layout:
    return KERNEL if layer.transpose_kernel else FLIPPED


def _general(layer: Any) -> Layout:
    axis = layer.axis
    return matrix(1 if isinstance(axis, int) else len(axis))


def _general_refusal(layer: Any) -> str | None:
    if getattr(layer, "batch_axis", None) or getattr(layer, "batch_dims", None):
        return "batch_axis: torch has no linear layer with a weight for each batch index"
    return None


def _spec(layer: Any) -> tuple[str, str, str]:
    text = layer.einsum_str.replace(" ", "").replace("...", "")
    inputs, _, result = text.partition("->")
    left, _, right = inputs.partition(",")
    return left, right, result


def _einsum(layer: Any) -> Layout:
    left, right, result = _spec(layer)
    summed = [c for c in left if c in right]
    order = tuple(right.index(c) for c in (*summed, *(c for c in result if c in right)))
    return permuted(order, matrix(len(summed)))


def _einsum_refusal(layer: Any) -> str | None:
    if layer.einsum_str is None:
        return "einsum_str=None: the layout of the kernel is known at the call only"
    left, right, result = _spec(layer)
    if any((c in left) == (c in result) for c in right):
        return f"einsum_str={layer.einsum_str!r}: it is not a linear layer over the kernel's axes"
    kept = [c for c in result if c in right]
    biased = getattr(layer, "bias_shape", None) is not None
    if biased and not result.endswith("".join(kept)):
        return f"einsum_str={layer.einsum_str!r}: its output axes are not the last"
    return None


def _is_torch_attention(layer: Any) -> bool:
    """Whether `nn.MultiheadAttention` can hold it: one width, as many heads for keys."""
    same = layer.qkv_features == layer.in_features == layer.out_features
    kv = layer.in_kv_features == layer.in_features and layer.num_kv_heads == layer.num_heads
    return same and kv and not layer.normalize_qk


def _joined(name: str, leaf: str, children: tuple[str, ...], layout: Layout) -> Entry:
    return Entry(name, tuple(f"{child}.{leaf}" for child in children), _is(layout))


def _zeros(name: str, *paths: str) -> Entry:
    return Entry(name, tuple(ZEROS + path for path in paths), _is(SAME))


def _lora(above: str) -> tuple[Entry, ...]:
    """torch has no such layer; these are the names of the package `peft`."""
    return (
        _one("lora_A.weight", f"{above}lora_a", KERNEL),
        _one("lora_B.weight", f"{above}lora_b", KERNEL),
    )


_LINEAR = (_one("weight", "kernel", KERNEL), _one("bias", "bias"))
_AFFINE = (_one("weight", "scale"), _one("bias", "bias"))
_QKV = ("query", "key", "value")
_ATTENTION = (
    _joined("in_proj_weight", "kernel", _QKV, matrix(1)),
    _joined("in_proj_bias", "bias", _QKV, FLAT),
    _one("out_proj.weight", "out.kernel", matrix(2)),
    _one("out_proj.bias", "out.bias"),
)
_FUSED_CELL = (
    _one("weight_ih", "dense_i.kernel", KERNEL),
    _one("weight_hh", "dense_h.kernel", KERNEL),
)

ROWS = (
    Row(("Linear", "Conv"), _LINEAR),
    Row(("ConvTranspose",), (Entry("weight", ("kernel",), _transposed), _one("bias", "bias"))),
    Row(
        ("LinearGeneral",),
        (Entry("weight", ("kernel",), _general), _one("bias", "bias", FLAT)),
        refuse=_general_refusal,
    ),
    Row(
        ("Einsum",),
        (Entry("weight", ("kernel",), _einsum), _one("bias", "bias", FLAT)),
        refuse=_einsum_refusal,
    ),
    Row(("Embed",), (_one("weight", "embedding"),)),
    Row(
        ("BatchNorm",),
        (*_AFFINE, _one("running_mean", "mean"), _one("running_var", "var")),
        counts=True,
    ),
    Row(("LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm"), _AFFINE),
    Row(
        ("MultiHeadAttention",),
        _ATTENTION,
        fits=_is_torch_attention,
    ),
    Row(
        ("LSTMCell",),
        (
            _joined("weight_ih", "kernel", ("ii", "if_", "ig", "io"), KERNEL),
            _joined("weight_hh", "kernel", ("hi", "hf", "hg", "ho"), KERNEL),
            _zeros("bias_ih", "hi.bias", "hf.bias", "hg.bias", "ho.bias"),
            _joined("bias_hh", "bias", ("hi", "hf", "hg", "ho"), SAME),
        ),
    ),
    Row(
        ("OptimizedLSTMCell",),
        (
            *_FUSED_CELL,
            _zeros("bias_ih", "dense_h.bias"),
            _one("bias_hh", "dense_h.bias"),
        ),
    ),
    Row(
        ("GRUCell", "SimpleCell"),
        (
            *_FUSED_CELL,
            _one("bias_ih", "dense_i.bias"),
            _zeros("bias_hh", "dense_i.bias"),
        ),
    ),
    Row(("PReLU",), (_one("weight", "negative_slope", FLAT),)),
    Row(("LoRA",), _lora(""), fits=lambda layer: layer.base_module is None),
    Row(("LoRALinear",), (*_LINEAR, *_lora("lora."))),
)


def _cell_joined(name: str, leaf: str, gates: str, layout: Layout) -> Entry:
    return _joined(name, leaf, tuple(gates.split()), layout)


def _is_linen_fused(layer: Any) -> bool:
    """The same of a Linen layer, by the shapes of its kernels: (width, heads, features a head)."""
    shapes = [layer.shape(f"{name}.kernel") for name in _QKV]
    width = shapes[0][0]
    same = shapes[0] == shapes[1] == shapes[2] and shapes[0][1] * shapes[0][2] == width
    return same and layer.shape("out.kernel")[-1] == width and not layer.normalize_qk


# Where Linen's names are its own.
LINEN_ROWS = (
    Row(("Dense",), _LINEAR),
    Row(
        ("DenseGeneral",),
        (Entry("weight", ("kernel",), _general), _one("bias", "bias", FLAT)),
        refuse=_general_refusal,
    ),
    Row(
        ("MultiHeadDotProductAttention", "MultiHeadAttention", "SelfAttention"),
        _ATTENTION,
        fits=_is_linen_fused,
    ),
    Row(
        ("LSTMCell", "OptimizedLSTMCell"),
        (
            _cell_joined("weight_ih", "kernel", "ii if ig io", KERNEL),
            _cell_joined("weight_hh", "kernel", "hi hf hg ho", KERNEL),
            _zeros("bias_ih", "hi.bias", "hf.bias", "hg.bias", "ho.bias"),
            _cell_joined("bias_hh", "bias", "hi hf hg ho", SAME),
        ),
    ),
    Row(
        ("SimpleCell",),
        (
            _one("weight_ih", "i.kernel", KERNEL),
            _one("weight_hh", "h.kernel", KERNEL),
            _one("bias_ih", "i.bias"),
            _zeros("bias_hh", "i.bias"),
        ),
    ),
    Row(
        ("GRUCell",),
        (
            _cell_joined("weight_ih", "kernel", "ir iz in", KERNEL),
            _cell_joined("weight_hh", "kernel", "hr hz hn", KERNEL),
            _cell_joined("bias_ih", "bias", "ir iz in", SAME),
            Entry("bias_hh", (f"{ZEROS}ir.bias", f"{ZEROS}iz.bias", "hn.bias"), _is(SAME)),
        ),
    ),
)
_BY_NAME = {name: row for row in ROWS for name in row.flax}
_LINEN_BY_NAME = _BY_NAME | {name: row for row in LINEN_ROWS for name in row.flax}
# Where Linen makes the classes that lifted transforms (`remat`, `scan`) give: subclasses of a layer's.
_LIFTED = "flax.linen.transforms"
# Flax's own modules without weights of their own: their children are shown under their own names.
CONTAINERS = frozenset(
    "Module Pytree Sequential List Dict Dropout RNN Bidirectional RNNCellBase MGUCell ConvLSTMCell "
    "MultiHeadAttention MultiHeadDotProductAttention SelfAttention LoRA WeightNorm SpectralNorm".split()
)


def named_row(name: str, linen: bool) -> Row:
    """The row of Flax's layer of this name."""
    return (_LINEN_BY_NAME if linen else _BY_NAME)[name]


def row_of(layer: Any, of: type, linen: bool = False) -> Row | None:
    """The row of a Flax layer of class `of`, by that or a base of it that Flax defines.

    Raises:
        NotImplementedError: it is a layer of Flax's that the table has no row for.
    """
    rows = _LINEN_BY_NAME if linen else _BY_NAME
    for kind in of.__mro__:
        if not kind.__module__.startswith("flax.") or kind.__module__ == _LIFTED:
            continue
        row = rows.get(kind.__name__)
        refusal = row and row.refuse(layer)
        if refusal:
            raise NotImplementedError(f"wrap: {kind.__name__} with {refusal}")
        if row is not None and row.fits(layer):
            return row
        if kind.__name__ in CONTAINERS:
            return None
        raise NotImplementedError(f"wrap: no row for Flax's layer {kind.__name__}")
    return None
