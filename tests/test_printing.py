"""Printing: character for character torch's text."""

from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest
import torch
from _lines import check, lines
from hypothesis import given, settings
from hypothesis import strategies as st

import torchcompat
from torchcompat._tensor import wrap

TEXTS = """
repr(x)
str(x)
repr(i)
repr(c)
repr(w)
repr(w * 2)
repr(w[0])
repr(w.sum())
repr(x.t())
repr(x.expand(2, 2, 3))
repr(x[x > 1])
repr((w * 1).t())
y = w * 1;; y[0] = 2;; repr(y)
y = w * 1;; y[[0]] = 2;; repr(y)
repr(torch.nn.Parameter(x))
str(torch.nn.Parameter(x))
f"{torch.nn.Parameter(x)}"
repr(torch.nn.Parameter(torch.tensor(1.)))
repr(torch.nn.Parameter(x) * 2)
repr(torch.empty(2, 3, device="meta"))
repr(torch.empty(2, 3, device="meta", requires_grad=True))
repr(torch.empty(2, 3, device="meta", dtype=torch.int64))
repr(torch.empty(0))
repr(torch.empty(0, dtype=torch.int64))
repr(torch.empty(0, 2, dtype=torch.float64))
repr(torch.empty(0, 2, requires_grad=True))
repr(torch.zeros(3, 0, 2))
repr(torch.tensor(1., requires_grad=True))
repr(torch.tensor(True))
repr(torch.tensor(1e-10))
repr(torch.tensor(1j))
repr(torch.tensor([1 - 0j, -2.5 + 1e-7j]))
repr(torch.tensor(float("nan")))
repr(torch.tensor([float("nan"), float("inf"), -float("inf")]))
repr(torch.tensor([float("nan"), 1., 2.5]))
repr(torch.tensor([1e9, 1.]))
repr(torch.tensor([1e-5, 1.]))
repr(torch.tensor([0., -0., 1e-30]))
repr(torch.tensor([1., 2., 3.], dtype=torch.bfloat16))
repr(torch.tensor([1., 2.]).to(torch.float8_e4m3fn))
repr(torch.tensor([2**63 - 1, -1]))
repr(torch.arange(10000.))
repr(torch.arange(10000.).reshape(100, 100) * 1e-3)
repr(torch.arange(3000).reshape(10, 10, 30))
repr(torch.arange(1001))
repr(torch.arange(1000))
repr(torch.full((9,), 123456.5).requires_grad_())
repr(torch.full((3, 8), 123456.5).double().requires_grad_())
repr([x, w])
repr({"a": x})
repr(x.size())
repr(x.max(dim=0))
format(torch.tensor(5), ">5d")
format(torch.tensor(1.5), ".2f")
format(w[0, 0], ".3f")
format(x, ".2f")
f"{x}"
f"{torch.tensor(3)}"
"%s" % x
x.t_;; f"{x.float():}"
options(precision=2);; y = repr(x / 7);; reset();; y
options(profile="full");; y = repr(torch.arange(1100));; reset();; y
options(profile="short");; y = repr(x / 7);; reset();; y
options(sci_mode=True);; y = repr(x);; reset();; y
options(linewidth=20);; y = repr(x / 7);; reset();; y
options(threshold=3, edgeitems=1);; y = repr(x / 7);; reset();; y
double();; y = repr(x), repr(x.double()), repr(x * 1j);; reset();; y
"""


_SHORTHANDS = """
options = torch.set_printoptions
def double(): torch.set_default_dtype(torch.float64)
def reset():
    torch.set_printoptions(profile="default")
    torch.set_default_dtype(torch.float32)
"""


@pytest.mark.parametrize("line", lines(TEXTS))
def test_line(line: str) -> None:
    check(line, _SHORTHANDS)


_REAL = ["float32", "float64", "float16", "bfloat16"]
_WHOLE = ["int64", "int32", "int16", "int8", "uint8", "bool", "uint16", "uint64"]
_COMPLEX = ["complex64", "complex128"]
_SIZES = st.one_of(
    st.lists(st.integers(1, 5), max_size=4),
    st.lists(st.integers(0, 3), max_size=4),
    st.lists(st.integers(5, 14), max_size=3),
    st.sampled_from([[1100], [3, 400], [40, 40], [2, 3, 200], [1001, 1]]),
)
_SCALES = ("plain", "spread", "whole", "large", "shifted", "special")


@st.composite
def _arrays(draw) -> tuple[np.ndarray, str]:
    """Values of all sizes and kinds, and the name of the dtype they are to have."""
    size = tuple(draw(_SIZES))
    kind = draw(st.sampled_from(_REAL * 3 + _WHOLE + _COMPLEX * 2))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = _values(random, size, draw(st.sampled_from(_SCALES)))
    if kind in _COMPLEX:
        real, values = values, np.empty(size, np.complex128)
        values.real, values.imag = real, _values(random, size, draw(st.sampled_from(_SCALES)))
    if kind in _WHOLE:
        values = np.clip(np.nan_to_num(values, posinf=5, neginf=-5), -1e9, 1e9).astype(np.int64)
    return values, kind


def _values(random: np.random.Generator, size: tuple, scale: str) -> np.ndarray:
    values = np.asarray(random.standard_normal(size))
    if scale == "spread":
        return values * 10.0 ** random.integers(-8, 9, size)
    if scale == "whole":
        return np.round(values * 10)
    if scale == "large":
        return np.round(values * 10.0 ** random.integers(0, 10))
    if scale == "shifted":
        return values * 10.0 ** random.integers(-6, 9)
    if scale == "special":
        odd = random.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], size)
        return np.where(random.random(size) < 0.4, odd, values)
    return values


_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "precision": st.integers(0, 7),
        "threshold": st.integers(0, 1500),
        "edgeitems": st.integers(0, 4),
        "linewidth": st.integers(20, 160),
        "profile": st.sampled_from(["default", "short", "full"]),
        "sci_mode": st.booleans(),
    },
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(_arrays(), st.one_of(st.just({}), _OPTIONS))
def test_any_tensor_prints_as_torchs(case: tuple, options: dict) -> None:
    values, kind = case
    with np.errstate(all="ignore"):
        theirs = torch.from_numpy(np.ascontiguousarray(values)).reshape(values.shape)
        theirs = theirs.to(getattr(torch, kind))
    ours = torchcompat.tensor(_to_numpy(theirs))
    for library in (torch, torchcompat):
        library.set_printoptions(**options)
    try:
        assert repr(ours) == repr(theirs)
    finally:
        for library in (torch, torchcompat):
            library.set_printoptions(profile="default")


def _to_numpy(x: torch.Tensor) -> np.ndarray:
    if x.dtype is torch.bfloat16:
        return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


def test_a_traced_tensor_prints_its_size_and_type() -> None:
    seen = []
    jax.jit(lambda x: seen.append(f"{wrap(x)} {wrap(x)!r}") or x)(np.zeros((2, 3), np.float32))
    text = "tensor(<traced>, size=(2, 3), dtype=torch.float32)"
    assert seen == [f"{text} {text}"]
