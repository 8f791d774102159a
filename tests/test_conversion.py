"""Tensor.to in every form, the casts, out-of-range numbers, and what `type` says."""

import jax
import numpy as np
import pytest
import torch

import torchcompat
from tests._both import attempt, plain, same
from tests._parity import assert_equal, to_ours

# Expressions of `t` (the library), `f` (two floats), `i` (two integers) and `c` (a complex number).
CASES = """
f.to() | f.to(None) | f.to('cpu') is f | f.to(t.float32) is f | f.to(t.float32, copy=True) is f
f.to(f) is f | f.to('foo') | f.to(t.float64, t.float32) | f.to('cpu', t.float64)
f.to(t.float64, False) | f.to('cpu', t.float64, True, True) | f.to(t.float64, False, True)
f.to(device='cpu', dtype=t.half) | f.to(i) | f.to(other=i) | f.to(i, dtype=t.half) | f.to('meta')
f.to('meta').to('cpu') | f.to(float) | f.to(memory_format=t.preserve_format) | f.to(t.int64)
i.to(t.bool) | f.to(dtype=t.int8) | f.type() | i.type() | f.half().type() | f.bool().type()
f.bfloat16().type() | f.cfloat().type() | f.to('meta').type() | f.type(t.int32)
f.type('torch.DoubleTensor') | f.type(t.LongTensor) | f.type('foo') | f.type_as(i) | i.type_as(f)
f.cpu() is f | f.float() is f | f.double() | f.half() | f.bfloat16() | f.long() | f.int()
f.short() | f.char() | f.byte() | f.bool() | f.cfloat() | f.cdouble() | c.to(t.complex128)
c.float() | c.int() | c.bool() | f.is_cuda | f.is_cpu | f.is_meta | f.get_device()
i.double() is i | f.requires_grad_().to(t.float64).grad_fn.name()
f.requires_grad_().to(t.int64).requires_grad | f.requires_grad_().half().requires_grad
f.requires_grad_().to(t.float32, copy=True).grad_fn.name() | f.requires_grad_().to('cpu') is f
f.requires_grad_().cpu().grad_fn | f.to(t.float8_e4m3fn).type()
"""


def cases(text):
    lines = filter(None, text.splitlines())
    return [case.strip() for line in lines for case in line.split(" | ")]


def evaluated(case, library):
    names = {
        "t": library,
        "f": library.tensor([1.5, 2.0]),
        "i": library.tensor([1, 2]),
        "c": library.tensor([1 + 1j]),
    }
    return attempt(lambda: plain(eval(case, names)))


@pytest.mark.parametrize("case", cases(CASES))
def test_as_torch(case):
    (theirs, _), (ours, _) = evaluated(case, torch), evaluated(case, torchcompat)
    if "Expected one of" in str(theirs):
        theirs, ours = theirs[:2], ours[:2]  # the list of device types is our own
    assert same(ours, theirs), f"{case}\ntorchcompat {ours}\ntorch       {theirs}"


def test_complex_to_real_warns():
    for convert in ("float", "int", "half"):
        with pytest.warns(UserWarning, match="Casting complex values to real discards"):
            getattr(torchcompat.tensor([1 + 2j]), convert)()


EDGES = [float("nan"), float("inf"), -float("inf"), 1e10, -1e10, 1e20, 300.0, -1.0, -1.5, 0.0, -0.0]
EDGES += [3e9, 70000.0, -70000.0, 2.0**31, 2.0**63, -(2.0**31), -(2.0**63), 255.9, 1e-9, 127.5]


@pytest.mark.parametrize("source", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("to", ["int64", "int32", "int16", "int8", "uint8", "uint16", "bool"])
def test_floats_out_of_range(source, to):
    x = torch.tensor(EDGES, dtype=torch.float64).to(getattr(torch, source))
    expected = x.to(getattr(torch, to))
    assert_equal(to_ours(x).to(getattr(torchcompat, to)), expected)


TYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]
TYPES += ["bool", "complex64"]


@pytest.mark.parametrize("source", ["int64", "int32", "uint8", "bool", "float64", "complex64"])
def test_every_pair_of_types(source):
    x = torch.tensor([0, 1, 2, 100, 200], dtype=torch.int64).to(getattr(torch, source))
    for to in [
        "float64",
        "float32",
        "float16",
        "bfloat16",
        "int64",
        "int32",
        "int16",
        "int8",
        "uint8",
        "bool",
        "complex64",
    ]:
        if source == "complex64" and to not in ("complex64", "bool"):
            continue
        assert_equal(to_ours(x).to(getattr(torchcompat, to)), x.to(getattr(torch, to)), to)


@pytest.mark.parametrize(
    "to", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"]
)
def test_eight_bits(to):
    x = torch.tensor(EDGES)
    theirs = x.to(getattr(torch, to)).float()
    ours = to_ours(x).to(getattr(torchcompat, to)).float()
    np.testing.assert_array_equal(np.asarray(ours), theirs.numpy())


def test_a_cast_is_differentiable():
    for library in (torch, torchcompat):
        x = library.tensor([1.5, 2.5], requires_grad=True)
        (x.double() * 2 + x.half().float()).sum().backward()
        assert x.grad.dtype is library.float32 and x.grad.tolist() == [3, 3]


def test_under_jit():
    @jax.jit
    def f(x):
        held = torchcompat.as_tensor(x).to(torchcompat.float64).to("cpu").half()
        return held.to(torchcompat.as_tensor(x))._read()

    x = jax.numpy.ones(3)
    assert f(x).dtype == np.float32


def test_missing_gpu():
    if jax.default_backend() != "cpu":
        pytest.skip("there is a GPU")
    for call in (lambda x: x.to("cuda"), lambda x: x.cuda()):
        theirs, ours = (attempt(call, lib.ones(1)) for lib in (torch, torchcompat))
        assert ours == theirs


def test_a_parameter_converts_to_a_tensor():
    for library in (torch, torchcompat):
        weight = library.nn.Parameter(library.ones(2))
        assert weight.to(library.float32) is weight
        assert type(weight.to(library.float64)) is library.Tensor
