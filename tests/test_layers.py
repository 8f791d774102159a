"""Layers and their functionals under both libraries: text, errors, warnings and values.

A line sees the library as `torch`, with `nn`, `F` and `r` (= `torch.randn`). The seed is set before
each, so random weights, inputs and dropout masks are the same on both sides.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import torch
from jax import export
from jax import numpy as jnp

import torchcompat
from tests._both import attempt, same
from torchcompat.func import functional_call

CONSTRUCTION = """
nn.Identity(3, a=2)
nn.Linear(3, 4, False)
nn.Linear(0, 4)
nn.Bilinear(3, 4, 5, False)
nn.Bilinear(0, 4, 5)
nn.Conv2d(3, 4, 3, 2, (1, 0), 2, 1, False, "reflect")
nn.Conv1d(4, 4, 3, padding="same", groups=2)
nn.Conv3d(3, 3, (1, 2))
nn.Conv2d(3, 4, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=2)
nn.Conv2d(4, 4, 3, groups=0)
nn.Conv2d(0, 3, 3)
nn.Conv2d(3, 3, 3, 2, padding="same")
nn.Conv2d(3, 4, (3, 5), padding="same")._reversed_padding_repeated_twice
nn.Conv2d(3, 4, 3, padding=(1, 2))._reversed_padding_repeated_twice
nn.BatchNorm2d(3, bias=False)
nn.BatchNorm2d(3, affine=False, momentum=None, track_running_stats=False)
list(nn.BatchNorm2d(3, bias=False).state_dict())
nn.InstanceNorm2d(3, affine=True)
nn.GroupNorm(2, 4, bias=False)
nn.GroupNorm(3, 4)
nn.GroupNorm(2, 4, affine=False)
nn.LayerNorm((3, 4), bias=False)
nn.LayerNorm(3, elementwise_affine=False)
nn.LayerNorm([3, 4]).normalized_shape
nn.RMSNorm([3, 4], 1e-3, False)
nn.LocalResponseNorm(2)
nn.CrossMapLRN2d(2)
nn.Embedding(3, 4, padding_idx=-1, max_norm=2.0, scale_grad_by_freq=True, sparse=True)
nn.Embedding(3, 4, norm_type=1.0)
nn.Embedding(3, 4, padding_idx=3)
nn.Embedding(3, 4, _weight=r(2, 4))
nn.Embedding.from_pretrained(r(4))
nn.Embedding.from_pretrained(r(3, 4)).weight.requires_grad
nn.Embedding.from_pretrained(r(3, 4), freeze=False, padding_idx=1)
nn.EmbeddingBag(3, 4, mode="max")
nn.EmbeddingBag(3, 4, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, padding_idx=1)
nn.EmbeddingBag(3, 4, padding_idx=5)
nn.EmbeddingBag.from_pretrained(r(4, 2), mode="sum").weight
nn.Dropout(0.3, True)
nn.Dropout(1.3)
nn.MaxPool2d(2, padding=1)
nn.MaxPool1d((2,), 3, ceil_mode=True, return_indices=True, dilation=2)
nn.AvgPool1d(2, 3, 1, True, False)
nn.AvgPool2d((2, 3), 1, 1, True, False, 3)
nn.AvgPool3d(2).stride
nn.AdaptiveAvgPool2d((None, 3))
nn.AdaptiveMaxPool1d(3, True)
nn.LPPool2d(2, 3)
nn.Flatten(0, 2)
nn.Unflatten(1, (2, 3))
nn.Unflatten(1, torch.Size([2, 3]))
nn.Unflatten(1, "ab")
nn.Unflatten(1, (2, "a"))
nn.ReflectionPad1d(2)
nn.ReflectionPad2d([1, 2, 3, 4]).padding
nn.ConstantPad2d((1, 2, 3, 4), 2.5)
nn.ZeroPad2d(2)
nn.ZeroPad2d(2).value
nn.CircularPad3d(1)
nn.ChannelShuffle(2)
nn.PixelShuffle(2)
nn.PixelUnshuffle(2)
nn.Fold((2, 3), 2)
nn.Unfold(2, padding=1)
[getattr(nn, n).__constants__ for n in ("Conv2d", "BatchNorm2d", "MaxPool2d", "ZeroPad2d")]
"""

ERRORS = """
nn.Linear(3, 4)(r(2, 5))
nn.Linear(3, 4)(r(5))
nn.Linear(3, 4)(r(2, 3).double())
nn.Linear(3, 4)(r(2, 2, 3).double())
nn.Linear(3, 4, False)(r(2, 3).half())
nn.Linear(3, 4, False)(torch.ones(2, 3, dtype=torch.int64))
F.linear(r(2, 4), r(5, 4), r(5).double())
F.linear(r(2, 4), r(5, 4), r(3))
F.linear(r(2, 4), r(4), r(4))
F.linear(r(2, 4), r(3, 5, 4))
F.linear(torch.tensor(1.0), r(5, 4))
nn.Bilinear(3, 4, 5)(r(2, 3), r(3, 4))
nn.Bilinear(3, 4, 5)(r(2, 2), r(2, 4))
nn.Bilinear(3, 4, 5)(r(2, 3), r(2, 1, 4))
nn.Bilinear(3, 4, 5)(r(2, 3).double(), r(2, 4))
nn.Conv2d(3, 4, 3)(r(1, 2, 4, 4))
nn.Conv2d(3, 4, 3)(r(4, 4))
nn.Conv2d(3, 4, 3)(r(2, 3, 2, 2))
nn.Conv2d(3, 4, 3)(r(2, 3, 4, 4).double())
nn.Conv2d(3, 4, 3, bias=False)(r(2, 3, 4, 4).double())
nn.Conv2d(3, 4, 3, bias=False).double()(r(2, 3, 4, 4))
nn.Conv1d(3, 4, 3)(r(2, 3, 4, 4))
F.conv1d(r(2, 4, 5), r(6, 4, 3), stride=0)
F.conv1d(r(2, 4, 5), r(6, 4, 3), padding=-1)
F.conv1d(r(2, 4, 5), r(6, 4, 3), padding="full")
F.conv1d(r(2, 4, 5), r(6, 4, 3), r(5))
F.conv2d(r(2, 4, 5, 5), r(6, 4, 3, 3), stride=[1, 1, 1])
F.conv2d(r(2, 4, 5, 5), r(5, 2, 3, 3), groups=2)
nn.BatchNorm1d(3)(r(3))
nn.BatchNorm2d(3)(r(2, 3, 4))
nn.BatchNorm2d(4)(r(2, 3, 4, 5))
nn.BatchNorm1d(3)(r(1, 3))
nn.BatchNorm1d(3)(torch.ones(2, 3, dtype=torch.int64))
nn.BatchNorm1d(3)(r(2, 3).double())
nn.BatchNorm1d(3).double()(r(2, 3))
F.batch_norm(r(2, 4), torch.zeros(4), None, training=True)
F.batch_norm(r(2, 4), None, None)
F.batch_norm(r(2, 4), torch.zeros(4), torch.zeros(4), eps=0.0, training=True)
nn.InstanceNorm2d(3)(r(2, 3))
nn.InstanceNorm2d(4)(r(2, 3, 4, 5))
nn.InstanceNorm2d(4, affine=True)(r(2, 3, 4, 5))
nn.InstanceNorm1d(4)(r(2, 4, 1))
nn.LayerNorm(3)(r(2, 4))
F.layer_norm(r(2, 4), (4,), r(3))
F.layer_norm(r(2, 4), ())
nn.GroupNorm(2, 4)(r(2, 3, 4))
F.group_norm(r(2), 2)
nn.RMSNorm(3)(r(2, 4))
nn.LocalResponseNorm(2)(r(2, 4))
nn.CrossMapLRN2d(2)(r(2))
nn.Embedding(3, 4)(torch.tensor([3]))
nn.Embedding(3, 4)(torch.tensor([-1]))
nn.Embedding(3, 4)(torch.tensor([1.0]))
nn.EmbeddingBag(3, 4)(torch.tensor([[0, 7]]))
nn.EmbeddingBag(3, 4)(torch.tensor([0, 1]))
nn.EmbeddingBag(3, 4)(torch.tensor([0, 1]), torch.tensor([0, 9]))
nn.EmbeddingBag(3, 4, mode="all")(torch.tensor([[0, 1]]))
F.embedding_bag(torch.tensor([[0, 1]]), r(2, 3), per_sample_weights=r(1, 2))
nn.Dropout2d()(r(2))
nn.Dropout2d()(r(2, 3, 4))
nn.Dropout3d()(r(2, 3))
nn.Dropout1d()(r(2, 3, 4, 5))
F.dropout(r(3), 1.5)
F.dropout(torch.ones(3, dtype=torch.int64))
nn.MaxPool2d(2, padding=2)(r(1, 2, 5, 5))
nn.MaxPool2d(7)(r(1, 2, 5, 5))
nn.MaxPool1d(2)(r(2, 3, 4, 5))
nn.AvgPool2d(2)(r(2, 2, 2, 5, 5))
nn.AvgPool2d(2, divisor_override=0)(r(2, 2, 5, 5))
nn.AdaptiveAvgPool2d(2)(r(5, 5))
nn.AdaptiveAvgPool2d((2, 2, 2))(r(1, 2, 5, 5))
nn.Unflatten(1, (2, 2))(r(3, 5))
nn.Flatten(2, 1)(r(3, 4, 5))
nn.ReflectionPad1d(3)(r(1, 2, 3))
nn.CircularPad1d(4)(r(1, 2, 3))
nn.CircularPad2d(1)(r(2, 3))
nn.ReflectionPad2d(1)(r(2, 3))
F.pad(r(2, 3), (1, 1), "wrap")
F.pad(r(2, 3), (1, 1), "reflect", 2.0)
F.pad(r(2, 3), (1,))
nn.PixelShuffle(2)(r(1, 3, 4, 4))
nn.PixelUnshuffle(2)(r(1, 3, 5, 4))
nn.ChannelShuffle(2)(r(1, 3, 5))
nn.Unfold(7)(r(1, 2, 5, 5))
nn.Fold(4, 2)(r(1, 3, 9))
nn.Fold((4, 5), 2, dilation=8)(r(1, 12, 12))
F.interpolate(r(1, 1, 2, 2), scale_factor=1e20, mode="bilinear")
F.interpolate(r(1, 1, 2, 2), scale_factor=-1e20)
nn.InstanceNorm2d(4).load_state_dict({"running_mean": r(4), "running_var": r(4)})
"""

VALUES = """
nn.Conv2d(4, 8, 3, groups=4, padding=1)(r(2, 4, 5, 5))
nn.Conv2d(4, 4, 3, 2, groups=4, dilation=2, padding=2)(r(2, 4, 9, 9))
nn.Conv1d(3, 4, 4, padding="same", padding_mode="circular")(r(2, 3, 5))
nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="reflect")(r(3, 4, 5))
nn.Conv3d(2, 4, 3, padding=1, padding_mode="replicate", groups=2)(r(1, 2, 3, 4, 5))
nn.Conv2d(3, 4, 3, dtype=torch.float64)(r(2, 3, 4, 4).double())
nn.Conv2d(3, 4, 3, dtype=torch.complex64)(r(2, 3, 4, 4) * (1 + 2j))
F.conv2d(torch.arange(50).reshape(2, 1, 5, 5), torch.arange(9).reshape(1, 1, 3, 3))
nn.BatchNorm2d(3)(r(2, 3, 4, 5))
nn.BatchNorm1d(3, track_running_stats=False).eval()(r(4, 3))
nn.BatchNorm1d(3).half()(r(4, 3).half()).dtype
F.batch_norm(r(4, 3).half(), torch.zeros(3), torch.ones(3), r(3), r(3))
nn.CrossMapLRN2d(3, 0.2, 0.6, 2.0)(r(2, 5, 3, 3))
nn.CrossMapLRN2d(4, 0.2, 0.6, 2.0)(r(2, 7, 3, 3))
nn.Dropout(0.3)(r(4, 5))
nn.Dropout(0.3)(r(4, 5).t())
nn.Dropout(1.0)(r(4, 5))
nn.Dropout(0.3).eval()(r(4, 5))
nn.Dropout(0.3).double()(r(40, 5).double())
nn.Dropout1d(0.4)(r(3, 4, 5))
nn.Dropout2d(0.4)(r(3, 4, 5, 2))
nn.Dropout3d(0.4)(r(3, 4, 5, 2, 2))
nn.AlphaDropout(0.4)(r(4, 5))
nn.FeatureAlphaDropout(0.4)(r(4, 5, 3))
nn.Dropout(0.5, inplace=True)(torch.ones(9))
nn.MaxPool2d(3, 2, 1, return_indices=True)(r(2, 2, 6, 6))
nn.MaxPool2d((4, 2), 1, (2, 1), dilation=(1, 2), ceil_mode=True)(r(2, 2, 6, 6))
nn.MaxPool1d(40, return_indices=True)(r(2, 2, 80))
F.max_pool2d(torch.tensor([[[1.0, float("nan"), 2.0]]]), (1, 2), 1, return_indices=True)
F.max_pool2d(torch.full((1, 1, 3, 3), -float("inf")), 3, 2, 1, return_indices=True)
nn.AdaptiveMaxPool2d((3, None), return_indices=True)(r(2, 7, 5))
nn.AdaptiveAvgPool3d((2, 3, 4))(r(1, 2, 3, 4, 5))
nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False)(r(2, 6, 6))
nn.LPPool2d(3, 2)(r(2, 2, 6, 6).abs())
nn.Flatten()(r(2, 3, 4))
nn.Unflatten(1, (2, -1))(r(2, 4))
nn.PixelShuffle(2)(r(1, 8, 2, 3))
nn.PixelUnshuffle(2)(r(2, 4, 6))
nn.ChannelShuffle(3)(r(1, 6, 2))
nn.Unfold((2, 3), 1, 1, 2)(r(2, 3, 4, 5))
nn.Fold((4, 5), 2)(r(2, 8, 12))
F.pad(r(2, 3), (1, -1, 2, 0), value=1.5)
F.pad(r(2, 3, 4), (-1, 2), "circular")
F.pad(r(2, 3, 4), (-1, 2), "reflect")
F.normalize(r(3, 4), 3.0, dim=0)
nn.Embedding(5, 3, padding_idx=2)(torch.tensor([[0, 2], [4, 2]]))
F.embedding(torch.tensor([1, 2]), r(4, 3) * 5, max_norm=1.0)
nn.Bilinear(3, 4, 5)(r(2, 3), r(2, 4))
nn.EmbeddingBag(5, 3)(torch.tensor([1, 2, 4, 3]), torch.tensor([0, 0, 3, 4]))
nn.EmbeddingBag(5, 3, mode="max", padding_idx=1)(torch.tensor([[1, 1], [1, 2]]))
F.embedding_bag(torch.tensor([[1, 2]]), r(4, 3), mode="sum", per_sample_weights=r(1, 2))
nn.EmbeddingBag(5, 3, mode="sum", include_last_offset=True)(torch.arange(4), torch.arange(3))
nn.EmbeddingBag(5, 3, mode="mean", include_last_offset=True)(torch.arange(4), torch.arange(3))
nn.EmbeddingBag(5, 3, mode="max", include_last_offset=True)(torch.arange(4), torch.arange(3))
nn.EmbeddingBag(5, 3, include_last_offset=True).double()(torch.arange(4), torch.arange(3))
nn.EmbeddingBag(5, 3, padding_idx=4, include_last_offset=True)(torch.arange(4), torch.arange(3))
"""


def _run(library: Any, line: str) -> Any:
    library.manual_seed(0)
    names = {"torch": library, "nn": library.nn, "F": library.nn.functional, "r": library.randn}
    return attempt(eval, line, names)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("line", _lines(CONSTRUCTION + ERRORS + VALUES))
def test_line(line: str) -> None:
    got, expected = _run(torchcompat, line), _run(torch, line)
    assert same(got, expected), f"torchcompat {got!r}\ntorch       {expected!r}"


@pytest.mark.parametrize("line", _lines(ERRORS))
def test_errors_are_errors(line: str) -> None:
    """A line that both libraries accept belongs among the values."""
    (outcome, warned) = _run(torch, line)
    assert warned or (isinstance(outcome, tuple) and outcome[0] == "raised"), outcome


def test_a_failed_call_changes_nothing() -> None:
    for layer, bad in (
        (torchcompat.nn.BatchNorm1d(3), torchcompat.ones(2, 4)),
        (torchcompat.nn.BatchNorm1d(3), torchcompat.ones(1, 3)),
        (torchcompat.nn.Embedding(3, 2, max_norm=0.1), torchcompat.tensor([0, 5])),
    ):
        before = {key: value.clone() for key, value in layer.state_dict().items()}
        with pytest.raises((ValueError, RuntimeError, IndexError)):
            layer(bad)
        for key, value in layer.state_dict().items():
            assert bool((value == before[key]).all()), key


def test_arrays_in_arrays_out() -> None:
    x = jnp.ones((2, 4, 6, 6))
    functional = torchcompat.nn.functional
    for out in (
        torchcompat.nn.Conv2d(4, 3, 3)(x),
        functional.max_pool2d(x, 2, return_indices=True)[1],
        functional.batch_norm(x, None, None, training=True),
        functional.dropout(x),
        functional.pad(x, (1, 1)),
        functional.adaptive_avg_pool2d(x, (None, 2)),
    ):
        assert isinstance(out, jax.Array)


# layer, input size: each kind of indexing that a gradient runs backwards
BACKWARD = """
nn.Conv2d(4, 4, 3, groups=4, padding=1), (2, 4, 8, 8)
nn.Conv2d(4, 8, 3, stride=2, groups=2), (2, 4, 8, 8)
nn.MaxPool2d(3, 2, 1), (2, 3, 8, 8)
nn.MaxPool1d(40), (2, 3, 40)
nn.AdaptiveMaxPool2d((3, 2)), (2, 3, 8, 8)
nn.AdaptiveAvgPool2d((3, 2)), (2, 3, 8, 8)
nn.AvgPool2d(3, 2, 1), (2, 3, 8, 8)
nn.BatchNorm2d(3), (2, 3, 4, 4)
nn.ReflectionPad2d(1), (2, 3, 4, 4)
nn.CircularPad2d(1), (2, 3, 4, 4)
nn.Unfold(2), (2, 3, 4, 4)
nn.Fold(4, 2), (2, 8, 9)
nn.Embedding(5, 3, padding_idx=1, scale_grad_by_freq=True), (2, 3)
nn.EmbeddingBag(5, 3, mode="max"), (2, 3)
"""


@pytest.mark.parametrize("line", _lines(BACKWARD))
def test_gradients_lower_for_every_platform(line: str) -> None:
    """The gradient traced under a 32-bit `jit`, as a user of JAX would."""
    layer, size = eval(line, {"nn": torchcompat.nn})
    state = {name: x._read() for name, x in layer.state_dict().items()}
    buffers = {name: state.pop(name) for name, _ in layer.named_buffers()}
    kind = np.int32 if "Embedding" in line else np.float32

    def loss(weights: dict, x: jax.Array, buffers: dict) -> jax.Array:
        return functional_call(layer, {**weights, **buffers}, (x,)).sum()

    shapes = jax.eval_shape(lambda: (state, jnp.ones(size, kind), buffers))
    gradient = jax.jit(jax.grad(loss, 0 if kind is np.int32 else (0, 1)))
    lowered = export.export(gradient, platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert lowered.platforms == ("cpu", "cuda", "tpu")
