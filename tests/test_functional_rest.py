"""The functions of `torch.nn.functional` that have no entry in torch's `op_db`.

The default run takes float32, and the further checks for a part of them; `TORCHCOMPAT_WHOLE=1` all.
"""

import inspect
import warnings

import pytest
import torch
from torch.testing._internal.opinfo.core import SampleInput

import torchcompat
from tests import _record
from tests._op_cases import ENTRIES, WHOLE, _leaves, check_sample, compare
from tests._parity import to_ours

theirs, ours = torch.nn.functional, torchcompat.nn.functional
FUNCTIONS = [
    name
    for name in dir(theirs)
    if inspect.isroutine(getattr(theirs, name)) and not name.startswith("_")
]
IN_OP_DB = {n.split(".")[2].split("/")[0] for n in ENTRIES if n.startswith("nn.functional.")}
# Not functions on tensors: names that torch's file imports or uses for itself.
HELPERS = dict.fromkeys(
    (
        "assert_int_or_pair boolean_dispatch handle_torch_function has_torch_function "
        "has_torch_function_unary has_torch_function_variadic"
    ).split(),
    "a helper of torch's own file",
)
ELSEWHERE = dict.fromkeys(
    ("scaled_mm", "scaled_grouped_mm"), "8-bit matrices: tests/test_grouped_mm.py"
)

_R = torch.Generator().manual_seed(11)


def _x(*shape):
    return torch.randn(shape, generator=_R)


_line, _image, _volume = _x(2, 4, 6), _x(1, 4, 6, 5), _x(1, 2, 6, 4, 5)
_samples = torch.rand((1, 4, 2), generator=_R), torch.rand((1, 2, 3), generator=_R)
_ends = torch.tensor([6, 16], dtype=torch.int32)
# name -> its rows: the first argument, the others, keyword arguments
ROWS = {
    "adaptive_max_pool1d_with_indices": [(_line, (3,), {})],
    "adaptive_max_pool2d_with_indices": [(_image, ((3, None),), {})],
    "adaptive_max_pool3d_with_indices": [(_volume, (2,), {})],
    "affine_grid": [
        (_x(2, 2, 3), ((2, 3, 4, 5),), {"align_corners": False}),
        (_x(1, 3, 4), ((1, 2, 3, 2, 4),), {"align_corners": True}),
    ],
    # torch's backward takes alpha in float32
    "celu_": [(_line, (0.5,), {})],
    "conv_tbc": [(_x(6, 2, 4), (_x(3, 4, 5), _x(5), 1), {})],
    "dropout1d": [(_line, (0.4,), {}), (_line, (0.4, False), {})],
    "elu_": [(_line, (0.7,), {})],
    "fold": [(_x(1, 8, 12), ((4, 5), (2, 2)), {}), (_x(4, 9), (6, 2), {"stride": 2})],
    "fractional_max_pool2d_with_indices": [
        (_image, (2, (3, 2)), {"_random_samples": _samples[0]}),
        (_image, (2,), {"output_ratio": (0.5, 0.5), "_random_samples": _samples[0]}),
    ],
    "fractional_max_pool3d_with_indices": [(_volume, (2, 2), {"_random_samples": _samples[1]})],
    "grouped_mm": [
        (_x(16, 16), (_x(2, 16, 8),), {"offs": _ends}),
        (_x(2, 8, 16), (_x(16, 16),), {"offs": _ends}),
        (_x(8, 16), (_x(16, 8),), {"offs": _ends}),
        (_x(2, 4, 16), (_x(2, 16, 8),), {}),
    ],
    "gumbel_softmax": [(_line, (), {"tau": 0.5}), (_line, (), {"hard": True, "dim": 1})],
    "hardtanh_": [(_line, (-0.5, 0.5), {})],
    "leaky_relu_": [(_line, (0.1,), {})],
    "log_softmax": [(_line, (1,), {}), (_line, (-1,), {"dtype": torch.float64})],
    "lp_pool1d": [(_line, (2.0, 3), {}), (_line, (3.0, 2, 1), {"ceil_mode": True})],
    "lp_pool2d": [(_image, (2.0, (2, 3)), {}), (_image, (3.0, 2, 1), {"ceil_mode": True})],
    "lp_pool3d": [(_volume, (2.0, 2), {}), (_volume, (3.0, 2, 1), {"ceil_mode": True})],
    "max_pool1d_with_indices": [(_line, (3, 2), {}), (_line, (2, 1, 1, 2), {})],
    "max_pool2d_with_indices": [(_image, (3, 2), {}), (_image, ((2, 3), 1, 1, 2), {})],
    "max_pool3d_with_indices": [(_volume, (2,), {}), (_volume, ((2, 3, 2), 1, 1), {})],
    "native_channel_shuffle": [(_image, (2,), {})],
    "relu_": [(_line, (), {})],
    "rrelu_": [(_line, (0.1, 0.3), {}), (_line, (0.1, 0.3, True), {})],
    "selu_": [(_line, (), {})],
    "sigmoid": [(_line * 5, (), {})],
    "softmax": [(_line, (1,), {}), (_line, (-1,), {"dtype": torch.float64})],
    "tanh": [(_line, (), {})],
    "threshold_": [(_line, (0.1, -2.0), {})],
    "upsample": [
        (_image, (), {"scale_factor": 2, "mode": "bilinear", "align_corners": True}),
        (_line, (9,), {}),
    ],
}
# name -> reason
DRAWS = dict.fromkeys(
    ("dropout1d", "gumbel_softmax", "rrelu_"),
    "draws its random numbers from a JAX key under compile",
)
NOT_BFLOAT16 = {"lp_pool3d"}  # torch has no kernel
NOT_FLOAT64 = {"grouped_mm"}  # likewise
NO_GRADIENT = {"native_channel_shuffle": "torch has no derivative for it"}


def seeded(library, name):
    """The function on a fresh value (what works in place may not have a leaf), from one seed."""
    function = getattr(library.nn.functional, name)

    def run(x, *args, **kwargs):
        library.manual_seed(42)
        return function(x * 1 if name.endswith("_") else x, *args, **kwargs)

    return run


def rows(name, dtype):
    for x, args, kwargs in ROWS[name]:
        args = tuple(cast(a, dtype) for a in args)
        kwargs = {key: cast(a, dtype) for key, a in kwargs.items()}
        yield SampleInput(cast(x, dtype), args=args, kwargs=kwargs)


def cast(x, dtype):
    return x.detach().to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x


def test_every_function_is_here():
    assert {*IN_OP_DB, *ROWS, *HELPERS, *ELSEWHERE} == set(FUNCTIONS)
    assert not IN_OP_DB & set(ROWS)
    for name, reason in {**HELPERS, **ELSEWHERE}.items():
        assert hasattr(ours, name)
        _record.note("functionals", name, reason)


@pytest.mark.parametrize(
    "name, dtype",
    [
        pytest.param(name, dtype, id=f"{name}-{str(dtype).removeprefix('torch.')}")
        for name in sorted(ROWS)
        for dtype in (torch.float32, torch.float64)
        if dtype is torch.float32 or (WHOLE and name not in NOT_FLOAT64)
    ],
)
def test_values_and_gradients(name, dtype):
    for sample in rows(name, dtype):
        sample.input.requires_grad_(name not in NO_GRADIENT)
        what = f"{name} {dtype}: {sample.summary()}"
        check_sample(seeded(torch, name), seeded(torchcompat, name), sample, True, what)


@pytest.mark.parametrize("name", sorted(set(ROWS) - NOT_BFLOAT16)[:: 1 if WHOLE else 4])
def test_bfloat16(name):
    for sample in rows(name, torch.bfloat16):
        what = f"{name} bfloat16: {sample.summary()}"
        check_sample(seeded(torch, name), seeded(torchcompat, name), sample, False, what)


@pytest.mark.parametrize("name", sorted(set(ROWS) - set(DRAWS))[:: 1 if WHOLE else 4])
def test_compiled(name):
    for sample in rows(name, torch.float32):
        args, kwargs = to_ours(((sample.input, *sample.args), sample.kwargs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = seeded(torch, name)(sample.input, *sample.args, **sample.kwargs)
            found = torchcompat.compile(seeded(torchcompat, name))(*args, **kwargs)
        compare(list(zip(_leaves(found), _leaves(expected), strict=True)), name)
