"""Losses over classes: the class dimension is the second (the only one of an unbatched input)."""

from __future__ import annotations

import jax
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._dtype import dtype as Dtype
from torchcompat._ops._common import cast, dtype_of, result_type, wide
from torchcompat._ops._errors import require_kernel, scalar, sizes
from torchcompat._ops._pointwise import operands
from torchcompat._ops._registry import Array, op
from torchcompat._ops.activation import log_softmax, logsigmoid
from torchcompat._ops.loss import hinge, reduced


@op()
def nll_loss(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str | int = "mean",
    ignore_index: int = -100,
) -> Array:
    """`-weight[target] * input[target]`; the mean is over the weights of the targets.

    Shape:
        input `(C)`, `(N, C)` or `(N, C, d1, ...)`; target of class indices `()`, `(N)` or
        `(N, d1, ...)`; weight `(C)`.
    """
    _check_nll(input, target, weight)
    return _nll(wide(input), target, weight, reduction, ignore_index, dtype_of(input))


def _nll(
    log_p: jax.Array,
    target: jax.Array,
    weight: jax.Array | None,
    reduction: str | int,
    ignore_index: int,
    to: Dtype,
) -> jax.Array:
    if log_p.ndim == 1:
        target = target.reshape(())
    index, counted = _indices(target, log_p, ignore_index)
    share = counted if weight is None else jnp.where(counted, wide(weight)[index], 0)
    share = cast(share, dtype_of(log_p))
    loss = jnp.where(counted, -_pick(log_p, index) * share, 0)
    if reduction == "mean":
        return cast(jnp.sum(loss) / jnp.sum(share), to)
    return reduced(loss, reduction, to)


def _class_dim(x: jax.Array) -> int:
    return 1 if x.ndim > 1 else 0


def _indices(target: jax.Array, log_p: jax.Array, ignore_index: int) -> tuple:
    """Class indices that are safe to look up, and which of them count.

    One that names no class becomes C, which reads as NaN: JAX would wrap a negative index.
    """
    classes = log_p.shape[_class_dim(log_p)]
    target = cast(target, _dtype.int64)
    counted = target != ignore_index
    index = jnp.where(counted, target, 0)
    return jnp.where(index < 0, classes, index), counted


def _pick(log_p: jax.Array, index: jax.Array) -> jax.Array:
    """The entry of each position's class; NaN where the index names no class."""
    dim = _class_dim(log_p)
    found = jnp.take_along_axis(log_p, jnp.expand_dims(index, dim), axis=dim, mode="fill")
    return found.squeeze(dim)


def _check_nll(input: jax.Array, target: jax.Array, weight: jax.Array | None) -> None:
    if input.ndim == 0:
        raise ValueError("Expected 1 or more dimensions (got 0)")
    if input.ndim == 1:
        if target.ndim == 1 and target.size != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.size}"
            )
    elif (target.shape[0] if target.ndim else 0) != input.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0] if target.ndim else 0})."
        )
    _check_nll_sizes(input, target)
    kernel = "nll_loss_out_frame" if input.ndim < 3 else "nll_loss2d_forward_out_frame"
    require_kernel(kernel, input, "floating")
    # int32 besides torch's two: JAX in its 32-bit default has no int64 labels to give.
    if dtype_of(target) not in (_dtype.int64, _dtype.int32, _dtype.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {scalar(target)}")
    _check_weight(input, weight, "")
    if weight is not None and dtype_of(weight) is not dtype_of(input):
        raise RuntimeError(f"expected scalar type {scalar(input)} but found {scalar(weight)}")


def _check_nll_sizes(input: jax.Array, target: jax.Array) -> None:
    expected = input.shape[:1] + input.shape[2:]
    if input.ndim < 3:
        if target.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    elif input.ndim == 4:
        if target.ndim != 3:
            raise RuntimeError(
                "only batches of spatial targets supported (3D tensors) but got targets of "
                f"dimension: {target.ndim}"
            )
        if target.shape != expected:
            raise RuntimeError(
                f"size mismatch (got input: {sizes(input)} , target: {sizes(target)}"
            )
    elif target.shape != expected:
        raise RuntimeError(f"Expected target size {list(expected)}, got {sizes(target)}")


def _check_weight(input: jax.Array, weight: jax.Array | None, prefix: str) -> None:
    classes = input.shape[_class_dim(input)]
    if weight is not None and (weight.ndim != 1 or weight.size != classes):
        raise RuntimeError(
            f"{prefix}weight tensor should be defined either for all {classes} classes or no "
            f"classes but got weight tensor of shape: {sizes(weight)}"
        )


@op()
def cross_entropy(
    input: Array,
    target: Array,
    weight: Array | None = None,
    reduction: str | int = "mean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Array:
    """`-sum(target * log_softmax(input))`, `target` as class indices or as probabilities.

    Args:
        label_smoothing: share of the target that is spread evenly over all classes, in [0, 1].

    Shape:
        input `(C)`, `(N, C)` or `(N, C, d1, ...)`; target of class indices `()`, `(N)` or
        `(N, d1, ...)`, or of probabilities, of the input's shape; weight `(C)`.
    """
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, reduction, ignore_index, label_smoothing)
    if label_smoothing > 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    log_p = log_softmax(wide(input), 0 if input.ndim == 1 else 1)
    _check_nll(input, target, weight)
    to = dtype_of(input)
    hard = _nll(log_p, target, weight, reduction, ignore_index, dtype_of(log_p))
    if label_smoothing <= 0:
        return cast(hard, to)
    even = _even_loss(log_p, target, weight, reduction, ignore_index)
    return cast((1 - label_smoothing) * hard + label_smoothing * even, to)


def _even_loss(
    log_p: jax.Array,
    target: jax.Array,
    weight: jax.Array | None,
    reduction: str | int,
    ignore_index: int,
) -> jax.Array:
    """The loss of a target that is spread evenly over the classes."""
    dim = _class_dim(log_p)
    classes = log_p.shape[dim]
    index, counted = _indices(
        target.reshape(()) if log_p.ndim == 1 else target, log_p, ignore_index
    )
    loss = jnp.where(counted, -jnp.sum(_by_class(log_p, weight), axis=dim), 0) / classes
    if reduction != "mean":
        return reduced(loss, reduction, dtype_of(log_p))
    share = counted if weight is None else jnp.where(counted, wide(weight)[index], 0)
    return cast(jnp.sum(loss) / jnp.sum(share), dtype_of(log_p))


def _by_class(x: jax.Array, weight: jax.Array | None) -> jax.Array:
    """`x` times the weight of each class."""
    if weight is None:
        return x
    dim = _class_dim(x)
    return x * wide(weight).reshape([-1 if d == dim else 1 for d in range(x.ndim)])


def _soft_cross_entropy(
    input: jax.Array,
    target: jax.Array,
    weight: jax.Array | None,
    reduction: str | int,
    ignore_index: int,
    label_smoothing: float,
) -> jax.Array:
    if not dtype_of(target).is_floating_point:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{scalar(target)}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    _check_weight(input, weight, "cross_entropy: ")
    to = result_type(input, target, weight)
    dim = _class_dim(input)
    log_p, share = log_softmax(wide(input), dim), wide(target)
    if label_smoothing > 0:
        share = share * (1 - label_smoothing) + label_smoothing / input.shape[dim]
    loss = -jnp.sum(_by_class(log_p * share, weight), axis=dim)
    if reduction == "mean":
        return cast(jnp.sum(loss) * input.shape[dim] / input.size, to)
    return reduced(loss, reduction, to)


@op()
def multi_margin_loss(
    input: Array,
    target: Array,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    reduction: str | int = "mean",
) -> Array:
    """`sum_j max(0, margin - input[target] + input[j])^p / C`, j being any class but `target`.

    Shape:
        input `(N, C)` or `(C)`, target `(N)` or `()`, weight `(C)`.
    """
    _check_multi_margin(input, target, p, weight)
    x = wide(input).reshape(-1, input.shape[-1] if input.ndim else 1)
    index, _ = _indices(target.reshape(-1), x, ignore_index=-(2**62))
    loss = hinge(margin - _pick(x, index)[:, None] + x) ** p
    if weight is not None:
        loss = loss * wide(weight)[index][:, None]
    others = jnp.arange(x.shape[1]) != index[:, None]
    loss = jnp.sum(jnp.where(others, loss, 0), axis=1) / x.shape[1]
    return reduced(loss if target.ndim else loss.reshape(()), reduction, dtype_of(input))


def _check_multi_margin(
    input: jax.Array, target: jax.Array, p: int, weight: jax.Array | None
) -> None:
    _check_rows(input)
    rows = input.shape[0] if input.ndim > 1 else 1
    if target.ndim > 1 or target.size != rows:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{rows}], but got {sizes(target)}. "
            f"Input has shape {sizes(input)}."
        )
    classes = input.shape[-1] if input.ndim else 1
    if weight is not None and weight.size != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {sizes(weight)}")
    if dtype_of(target) not in (_dtype.int64, _dtype.int32):
        raise RuntimeError(f"expected scalar type Long but found {scalar(target)}")
    require_kernel("multi_margin_loss_cpu_kernel", input, "floating")


def _check_rows(input: jax.Array) -> None:
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{sizes(input)}"
        )


@op()
def multilabel_margin_loss(input: Array, target: Array, reduction: str | int = "mean") -> Array:
    """`sum_ij max(0, 1 - (input[target[j]] - input[i])) / C`, i being any class not in `target`.

    Shape:
        input and target `(N, C)` or `(C)`; the first -1 in a row of `target` ends its labels.
    """
    _check_rows(input)
    if target.shape != input.shape:
        raise RuntimeError(
            f"inconsistent target size: {sizes(target)} for input of size: {sizes(input)}"
        )
    if dtype_of(target) not in (_dtype.int64, _dtype.int32):
        raise RuntimeError(f"expected scalar type Long but found {scalar(target)}")
    require_kernel("multilabel_margin_loss_forward_out_frame", input, "floating")
    x = jnp.atleast_2d(wide(input))
    labels = jnp.atleast_2d(target)
    listed = jnp.cumsum(labels == -1, axis=1) == 0
    index = jnp.where(listed, jnp.where(labels < 0, x.shape[1], labels), 0)
    picked = jnp.take_along_axis(x, index, axis=1, mode="fill")
    wanted = jnp.any((index[:, :, None] == jnp.arange(x.shape[1])) & listed[:, :, None], axis=1)
    pair = listed[:, :, None] & ~wanted[:, None, :]
    loss = jnp.where(pair, hinge(1 - (picked[:, :, None] - x[:, None, :])), 0)
    loss = jnp.sum(loss, axis=(1, 2)) / x.shape[1]
    return reduced(loss if input.ndim > 1 else loss.reshape(()), reduction, dtype_of(input))


@op()
def multilabel_soft_margin_loss(
    input: Array, target: Array, weight: Array | None = None, reduction: str | int = "mean"
) -> Array:
    """`-(target * log(sigmoid(x)) + (1 - target) * log(sigmoid(-x)))`, its mean over classes."""
    require_kernel("log_sigmoid_cpu", input, "floating")
    (x, y), to = operands(input, target)
    loss = -(y * logsigmoid(x) + (1 - y) * logsigmoid(-x))
    if weight is not None:
        (loss, w), _ = operands(loss, weight)
        loss, to = loss * w, result_type(input, target, weight)
    if loss.ndim == 0:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    return reduced(jnp.mean(loss, axis=-1), reduction, to)
