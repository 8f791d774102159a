"""Initialisation: the same seed gives torch's own numbers, in `nn.init` and in every layer."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import init as torch_init

import torchcompat
from tests._parity import assert_close, assert_equal, to_array, to_ours
from torchcompat import nn
from torchcompat.nn import init

SEED = 7

# class, constructor arguments: every layer with parameters, in the forms that differ.
LAYERS: list[tuple[str, tuple, dict[str, Any]]] = [
    ("Linear", (5, 7), {}),
    ("Linear", (40, 30), {"bias": False}),
    ("Bilinear", (3, 4, 5), {}),
    ("Conv1d", (4, 6, 3), {"groups": 2}),
    ("Conv2d", (3, 8, (3, 5)), {}),
    ("Conv3d", (2, 4, 2), {"bias": False}),
    ("BatchNorm1d", (5,), {}),
    ("BatchNorm2d", (5,), {"bias": False}),
    ("BatchNorm3d", (5,), {"affine": False}),
    ("InstanceNorm2d", (5,), {"affine": True, "track_running_stats": True}),
    ("LayerNorm", ((3, 4),), {}),
    ("GroupNorm", (2, 6), {}),
    ("RMSNorm", (9,), {}),
    ("Embedding", (11, 6), {"padding_idx": 3}),
    ("Embedding", (2, 3), {}),
    ("EmbeddingBag", (5, 3), {"padding_idx": 1}),
    ("PReLU", (4,), {}),
    ("MultiheadAttention", (8, 2), {}),
    ("MultiheadAttention", (8, 2), {"kdim": 6, "vdim": 10, "add_bias_kv": True}),
    ("TransformerEncoderLayer", (8, 2, 16), {}),
    ("TransformerDecoderLayer", (8, 2, 16), {}),
    ("Transformer", (8, 2, 1, 1, 16), {"batch_first": True}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("name", "args", "kwargs"), LAYERS)
def test_layer(name: str, args: tuple, kwargs: dict[str, Any], dtype: torch.dtype) -> None:
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    theirs = getattr(torch.nn, name)(*args, **kwargs, dtype=dtype)
    ours = getattr(nn, name)(*args, **kwargs, dtype=to_ours(dtype))
    _same_state(ours, theirs)
    assert_equal(torchcompat.rand(1), torch.rand(1), "the generator's next number")
    if hasattr(theirs, "reset_parameters"):
        theirs.reset_parameters(), ours.reset_parameters()
        _same_state(ours, theirs)


def _same_state(ours: nn.Module, theirs: torch.nn.Module) -> None:
    want, got = theirs.state_dict(), ours.state_dict()
    assert list(got) == list(want)
    for key in want:
        assert_equal(got[key], want[key], key)


# function, keyword arguments, shapes
FUNCTIONS: list[tuple[str, dict[str, Any], tuple[tuple[int, ...], ...]]] = [
    ("uniform_", {}, ((3,), (5, 7), (33, 20))),
    ("uniform_", {"a": -2.0, "b": 3.0}, ((5, 7),)),
    ("normal_", {}, ((3,), (5, 7), (33, 20))),
    ("normal_", {"mean": 1.0, "std": 2.0}, ((5, 7),)),
    ("trunc_normal_", {}, ((5, 7), (33, 20))),
    ("trunc_normal_", {"mean": 0.1, "std": 0.02, "a": -0.05, "b": 0.1}, ((5, 7),)),
    ("constant_", {"val": 1.1}, ((5, 7),)),
    ("ones_", {}, ((5, 7),)),
    ("zeros_", {}, ((5, 7),)),
    ("eye_", {}, ((5, 7), (4, 2))),
    ("dirac_", {}, ((5, 3, 3), (3, 5, 3, 2))),
    ("dirac_", {"groups": 2}, ((6, 2, 3), (4, 3, 1, 2, 3))),
    ("xavier_uniform_", {"gain": 2.0}, ((5, 7), (4, 3, 2, 2))),
    ("xavier_normal_", {}, ((5, 7), (4, 3, 2, 2))),
    ("kaiming_uniform_", {"a": math.sqrt(5)}, ((5, 7), (4, 3, 2, 2))),
    ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}, ((5, 7), (4, 3, 2, 2))),
    ("sparse_", {"sparsity": 0.3}, ((5, 7), (33, 20))),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "kwargs", "shapes"), FUNCTIONS)
def test_function(name: str, kwargs: dict, shapes: tuple, dtype: torch.dtype) -> None:
    for shape in shapes:
        torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
        theirs = getattr(torch_init, name)(torch.empty(shape, dtype=dtype), **kwargs)
        target = torchcompat.empty(shape, dtype=to_ours(dtype))
        ours = getattr(init, name)(target, **kwargs)
        assert ours is target
        assert_equal(ours, theirs, f"{name} {shape}")
        assert_equal(torchcompat.rand(1), torch.rand(1), "the generator's next number")


@pytest.mark.parametrize("shape", [(5, 7), (7, 5), (4, 3, 2, 2), (40, 40)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    theirs = torch_init.orthogonal_(torch.empty(shape), gain=2.0)
    ours = init.orthogonal_(torchcompat.empty(shape), gain=2.0)
    assert_close(ours, theirs)
    rows = to_array(ours).reshape(shape[0], -1) / 2
    short = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    np.testing.assert_allclose(short, np.eye(len(short)), atol=1e-6)


def test_own_generator() -> None:
    """`generator=` draws from it and leaves the default one alone."""
    theirs, ours = torch.Generator().manual_seed(3), torchcompat.Generator().manual_seed(3)
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    for name in ("uniform_", "normal_", "trunc_normal_", "xavier_normal_", "kaiming_uniform_"):
        want = getattr(torch_init, name)(torch.empty(3, 5), generator=theirs)
        got = getattr(init, name)(torchcompat.empty(3, 5), generator=ours)
        assert_equal(got, want, name)
    assert_equal(torchcompat.rand(2), torch.rand(2), "the default generator")


def test_sparse_draws_its_order_as_torch_does() -> None:
    theirs, ours = torch.Generator().manual_seed(3), torchcompat.Generator().manual_seed(3)
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    want = torch_init.sparse_(torch.empty(6, 4), 0.5, generator=theirs)
    assert_equal(init.sparse_(torchcompat.empty(6, 4), 0.5, generator=ours), want)


def test_parameters_and_views() -> None:
    """A parameter may be initialised although it requires gradients; a view writes to its base."""
    weight = nn.Parameter(torchcompat.zeros(2, 3))
    assert init.ones_(weight) is weight
    assert weight.requires_grad and weight.is_leaf
    base, want = torchcompat.zeros(4, 3), torch.zeros(4, 3)
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    init.normal_(base[1:3])
    torch_init.normal_(want[1:3])
    init.uniform_(base.t()[1:])
    torch_init.uniform_(want.t()[1:])
    assert_equal(base, want)


def test_meta_draws_nothing() -> None:
    torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
    layer = nn.Linear(3, 4, device="meta")
    assert layer.weight.device.type == "meta"
    init.orthogonal_(layer.weight), init.sparse_(layer.weight, 0.5)
    assert_equal(torchcompat.rand(1), torch.rand(1), "the generator's next number")


# expression in `init` and `zeros`: the same error or warning as in torch
COMPLAINTS = [
    "calculate_gain('unknown')",
    "calculate_gain('leaky_relu', True)",
    "calculate_gain('leaky_relu', 'steep')",
    "eye_(zeros(3))",
    "dirac_(zeros(3, 3))",
    "dirac_(zeros(3, 3, 3), 2)",
    "xavier_uniform_(zeros(3))",
    "kaiming_uniform_(zeros(3))",
    "kaiming_uniform_(zeros(0, 3))",
    "kaiming_normal_(zeros(0, 3))",
    "kaiming_uniform_(zeros(3, 3), mode='fan')",
    "kaiming_uniform_(zeros(3, 3), nonlinearity='unknown')",
    "orthogonal_(zeros(3))",
    "sparse_(zeros(3), 0.1)",
    "trunc_normal_(zeros(3), mean=10.0)",
    "uniform_(zeros(3), 2.0, 1.0)",
    "normal_(zeros(3), 0.0, -1.0)",
    "uniform(zeros(3))",
    "constant(zeros(3), 2.0)",
    "xavier_normal(zeros(3, 3))",
]


@pytest.mark.parametrize("text", COMPLAINTS)
def test_complaints(text: str) -> None:
    def outcome(functions: Any, library: Any) -> tuple:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                eval(text, {**vars(functions), "zeros": library.zeros})  # noqa: S307
                error = None
            except Exception as raised:
                error = type(raised), str(raised)
        return error, [(w.category, str(w.message)) for w in caught]

    assert outcome(init, torchcompat) == outcome(torch_init, torch)


def test_gain_and_fans() -> None:
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == torch_init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch_init.calculate_gain("leaky_relu", 0.3)
    weight = torchcompat.zeros(3, 4, 5, 6)
    assert init._calculate_fan_in_and_fan_out(weight) == (120, 90)
    assert init._calculate_correct_fan(weight, "FAN_OUT") == 90


def test_names() -> None:
    assert init.__all__ == torch_init.__all__
