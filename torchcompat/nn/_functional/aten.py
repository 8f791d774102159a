"""The functions of layers as `torch.f` has them: other orders of arguments, reductions as numbers.

What a default of `torch.nn.functional` hides is an argument here; a reduction is 0 for none, 1 for
the mean and 2 for the sum, and none unless given.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torchcompat._tensor import _faces, ops
from torchcompat._tensor._dispatch import lifted
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn._functional import activation, ctc, embedding, norm
from torchcompat.nn._functional import dropout as dropping

__all__ = [
    "alpha_dropout",
    "alpha_dropout_",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "_convolution",
    "convolution",
    "cosine_embedding_loss",
    "ctc_loss",
    "dropout",
    "dropout_",
    "embedding_bag",
    "embedding_renorm_",
    "feature_alpha_dropout",
    "feature_alpha_dropout_",
    "feature_dropout",
    "feature_dropout_",
    "group_norm",
    "hinge_embedding_loss",
    "instance_norm",
    "kl_div",
    "layer_norm",
    "margin_ranking_loss",
    "rrelu",
    "rrelu_",
    "triplet_margin_loss",
]


def _numbered(name: str) -> Callable:
    """The op's torch function, its reduction a number."""
    function = _faces.FUNCTIONS["torch"][name]
    signature = inspect.signature(function)
    position = list(signature.parameters).index("reduction") + 1

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs)
        reduction = given.arguments.setdefault("reduction", 0)
        if not isinstance(reduction, int):
            raise TypeError(
                f"{name}(): argument 'reduction' (position {position}) must be int, not "
                f"{type(reduction).__name__}"
            )
        return function(*given.args, **given.kwargs)

    return run


binary_cross_entropy_with_logits = _numbered("binary_cross_entropy_with_logits")
cosine_embedding_loss = _numbered("cosine_embedding_loss")
hinge_embedding_loss = _numbered("hinge_embedding_loss")
kl_div = _numbered("kl_div")
margin_ranking_loss = _numbered("margin_ranking_loss")
triplet_margin_loss = _numbered("triplet_margin_loss")


@lifted
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """`nn.functional.ctc_loss`."""
    name = {1: "mean", 2: "sum"}.get(reduction, "none")
    lengths = input_lengths, target_lengths
    return ctc.ctc_loss(log_probs, targets, *lengths, blank, name, zero_infinity)


# -- dropout ---------------------------------------------------------------------------------------


def _dropping(name: str, size: Callable, drop: Callable) -> tuple[Callable, Callable]:
    """`name(input, p, train)` and its form in place."""

    def run(input: Tensor, p: float, train: bool, inplace: bool) -> Tensor:
        if not 0 <= p <= 1:
            raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p:g}")
        return dropping._run(input, p, train, inplace, size, drop)

    @lifted
    def plain(input: Tensor, p: float, train: bool) -> Tensor:
        return run(input, p, train, False)

    def inplace(input: Tensor, p: float, train: bool) -> Tensor:
        return run(input, p, train, True)

    plain.__name__ = plain.__qualname__ = name
    plain.__doc__ = f"`nn.functional.{name}` with its arguments in torch's own order."
    inplace.__name__ = inplace.__qualname__ = f"{name}_"
    inplace.__doc__ = f"`{name}` in place."
    return plain, inplace


_ELEMENTS, _CHANNELS = dropping._per_element, dropping._per_channel
dropout, dropout_ = _dropping("dropout", _ELEMENTS, ops.drop)
alpha_dropout, alpha_dropout_ = _dropping("alpha_dropout", _ELEMENTS, ops.alpha_drop)
feature_dropout, feature_dropout_ = _dropping("feature_dropout", _CHANNELS, ops.drop)
feature_alpha_dropout, feature_alpha_dropout_ = _dropping(
    "feature_alpha_dropout", _CHANNELS, ops.alpha_drop
)


def _no_generator(name: str, generator: Any) -> None:
    if generator is not None:
        raise NotImplementedError(f"{name}: generator={generator!r}")


@lifted
def rrelu(
    input: Tensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """`nn.functional.rrelu`."""
    _no_generator("rrelu", generator)
    return activation.rrelu(input, lower, upper, training)


def rrelu_(
    input: Tensor,
    lower: float = 0.125,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """`rrelu` in place."""
    _no_generator("rrelu_", generator)
    return activation.rrelu_(input, lower, upper, training)


# -- normalisation ---------------------------------------------------------------------------------


@lifted
def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.batch_norm`, also of one value a channel."""
    if not training:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise RuntimeError(f"{missing} must be defined in evaluation mode")
        return ops.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
    out, mean, var = ops.batch_norm_train(
        input, running_mean, running_var, weight, bias, momentum, eps
    )
    norm._store(running_mean, mean)
    norm._store(running_var, var)
    return out


@lifted
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """`nn.functional.instance_norm`."""
    return norm.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """`nn.functional.layer_norm`; `cudnn_enable` has no effect."""
    return ops.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.group_norm`, also of one value a group; `cudnn_enabled` has no effect."""
    return ops.group_norm(input, num_groups, weight, bias, eps)


# -- convolution and embedding ---------------------------------------------------------------------


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    """`conv1d` to `conv3d`, or with `transposed` `conv_transpose1d` to `3d`, of a batch."""
    if input.ndim != weight.ndim:
        raise RuntimeError(
            f"Expected {weight.ndim}-dimensional input for {weight.ndim}-dimensional weight "
            f"{list(weight.shape)}, but got {input.ndim}-dimensional input of size "
            f"{list(input.shape)} instead"
        )
    n = input.ndim - 2
    if transposed:
        run = getattr(ops, f"conv_transpose{n}d")
        return run(input, weight, bias, stride, padding, output_padding, groups, dilation)
    return getattr(ops, f"conv{n}d")(input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    benchmark: bool,
    deterministic: bool,
    cudnn_enabled: bool,
    allow_tf32: bool = False,
) -> Tensor:
    """`convolution`; the last four are choices of torch's kernels."""
    return convolution(
        input, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Scales the rows of a table that `indices` names down to `max_norm`, in place."""
    renorm = embedding._no_grad_embedding_renorm_
    return renorm(input, indices, max_norm, norm_type)  # type: ignore[call-arg]


@lifted
def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`nn.functional.embedding_bag`, and what torch's backward pass needs to know of the bags.

    Args:
        mode: 0 for sums, 1 for means, 2 for maxima.

    Shape:
        weight `(rows, features)`, indices `(N)`, offsets `(B)`; outputs `(B, features)`, the bag
        of each index `(N)` (empty where every index of a sum counts), the number of indices of
        each bag that count `(B)` (0 for such sums), and for maxima where they come from
        `(B, features)`.
    """
    if mode not in (0, 1, 2):
        raise RuntimeError("`mode` must be sum, mean, or max.")
    output = embedding.embedding_bag(
        indices,
        weight,
        offsets,
        scale_grad_by_freq=scale_grad_by_freq,
        mode=("sum", "mean", "max")[mode],
        sparse=sparse,
        per_sample_weights=per_sample_weights,
        include_last_offset=include_last_offset,
        padding_idx=padding_idx,
    )
    skipped = embedding._bag_padding(padding_idx, weight.shape[0])
    facts = ops.bag_facts(weight, indices, offsets, mode, include_last_offset, skipped)
    return output, *facts
