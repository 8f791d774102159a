"""Creating tensors: values, dtypes, flags and errors equal torch's."""

import jax
import numpy as np
import pytest
import torch
from jax import numpy as jnp

import torchcompat
from tests._both import attempt, plain, same

NAN, INF = float("nan"), float("inf")
# Expressions of `t` (the library) and `T` (its `tensor`).
DATA = """
T([[1, 2], [3]]) | T([[1, 2], 3]) | T([1, [2]]) | T(None) | T('a') | T(['a']) | T([None])
T(b'ab') | T(2**63) | T(300, dtype=t.uint8) | T(-1, dtype=t.uint8) | T(NAN, dtype=t.int64)
T({1: 2}) | T(1.5, dtype=t.int64) | T([1.5, 2], dtype=t.int32) | T(1j, dtype=t.float32)
T(10**20, dtype=t.float32) | T([1, 2.5]) | T([True, 2]) | T([True, 2.5, 1j]) | T([]) | T([[]])
T(range(3)) | T((1, 2)) | T(True) | T(1e50) | T(1e50, dtype=t.float16) | T([1], dtype=float)
T([1.5], dtype=int) | T([2], dtype=bool) | T([T(1.), T(2)]) | T([T([1.]), T([2])])
T([T([1., 2]), T([2, 3.])]) | T([T(1), 2.5]) | T(T(1.)) | T(1, requires_grad=True)
T(1., requires_grad=True) | T([1, 2], device='meta') | T(1, dtype='float32')
T(1e30, dtype=t.float8_e4m3fn) | T([1, 2], dtype=t.bfloat16) | T([1, 2], dtype=t.complex64)
t.as_tensor([1, 2]) | t.as_tensor(1.5, dtype=t.float16) | t.asarray([1, 2])
t.asarray(1., copy=True) | t.scalar_tensor(3) | t.scalar_tensor(2.5, dtype=t.int32)
t.from_numpy([1]) | t.Tensor() | t.Tensor([1, 2]) | t.Tensor((1, 2)) | t.Tensor(2.5)
t.Tensor('a') | t.Tensor(None) | t.Tensor(T([1.])) | t.LongTensor([1.5, 2]) | t.BoolTensor([1, 0])
t.FloatTensor([[1, 2]]) | t.IntTensor([1]) | t.Tensor(2, 3).shape | t.LongTensor(2).shape
t.Tensor(t.Size([2, 3])).shape | t.HalfTensor(2).dtype | isinstance(T([1]), t.LongTensor)
isinstance(T([1.]), t.LongTensor) | isinstance(T([1]), t.Tensor) | T(1.).new_tensor([1])
T(1).new_tensor([1.5]) | T(1).new([1, 2]) | T(1).new(2).shape
"""
FILLED = """
t.zeros(2, 3) | t.zeros((2, 3)) | t.zeros([]) | t.zeros(()) | t.zeros() | t.zeros(2.5)
t.zeros(-1) | t.zeros('a') | t.zeros(2, [3]) | t.zeros(size=(2,)) | t.zeros(T(2), T(3))
t.zeros((T(2), 3)) | t.zeros(True) | t.zeros(2, dtype=t.int64) | t.zeros(2, dtype='float32')
t.zeros(2, requires_grad=True) | t.zeros(0, 3) | t.ones(2, dtype=t.bool)
t.ones(2, dtype=t.complex64) | t.ones(2, device='meta') | t.ones(1, 2) | t.zeros(2, out=t.ones(2))
t.zeros(2, 2, out=t.ones(2, 2, dtype=t.int64)) | t.empty(2, 3).shape | t.full((2,), 1)
t.full((2,), True) | t.full((2,), 1j) | t.full((2,), 1.5) | t.full(2, 1) | t.full((2,), T(3))
t.full((2,), 1.5, dtype=t.int32) | t.full((2,), 300, dtype=t.uint8) | t.full((), 2)
t.full((2,), NAN) | t.full_like(T([1]), 2.5) | t.full_like(T([1.]), 2) | t.zeros_like([1])
t.ones_like(T([1]), dtype=t.float16) | t.zeros_like(T([1]), dtype=t.float64)
t.zeros_like(T([1.]), requires_grad=True) | t.empty_like(T([1])).dtype | T(1.).new_zeros(2)
T(1).new_zeros((2, 3)) | T(1).new_full((2,), 3.5) | T(1.).new_ones(2, dtype=t.int64)
T(1).new_empty(2).shape | T(1).new_zeros(-1) | T(1.).new_full((2,), 3, requires_grad=True)
t.eye(3) | t.eye(2, 3) | t.eye(-1) | t.eye(2, -1) | t.eye(2, dtype=t.int64) | t.eye(0)
t.empty_strided((2, 2), (1, 2)).stride() | t.empty_permuted((2, 3), (1, 0)).stride()
t.empty(2, device='meta') | t.complex(T(1.), T(2.)) | t.polar(T(1.), T(0.))
"""
NUMPY = """
T(N.float64(1)) | T([N.float64(1)]) | T([N.float32(1)]) | T(N.int8(3)) | T([N.int8(3), 4])
T([N.float32(1), N.float64(1)]) | T(N.array([1, 2], dtype=N.uint16)) | T(N.ones((2, 0)))
T([N.int32(2), 2.5]) | T([[N.float32(2)], [1j]]) | T(N.array(1.5)) | t.zeros(N.int64(2))
t.full((2,), N.float32(1.5)) | T(N.ones(2), dtype=t.float16) | T([N.float32(2), 2.5])
"""
STEPS = """
t.arange(5) | t.arange(5.) | t.arange(1, 2, 0.3) | t.arange(0, 1, 0.1) | t.arange(5, 1)
t.arange(5, 1, -1) | t.arange(1, 5, 0) | t.arange(T(3)) | t.arange(T(3.)) | t.arange(True)
t.arange(3, dtype=t.float16) | t.arange(0) | t.arange(0, 3.5, dtype=t.int64)
t.arange(1.5, 4.5, dtype=t.int64) | t.arange(end=3) | t.arange(start=1, end=3) | t.arange(INF)
t.arange(2, 5, 2, out=t.empty(0, dtype=t.int64)) | t.arange(-3, 3, 2) | t.arange(1, 10, 2.5)
t.arange(3, dtype=t.uint8) | t.arange(0, 1, 0.2, dtype=t.float64)
t.arange(3, requires_grad=True) | t.arange(3., requires_grad=True) | t.arange(1, 5, step=2)
t.arange(1_000_000)[-1] | t.linspace(0, 1, 5) | t.linspace(0, 10, 4, dtype=t.int64)
t.linspace(0, 1, -1) | t.linspace(0, 1, 0) | t.linspace(3, 5, 1) | t.linspace(T(0.), T(1.), 3)
t.linspace(-1, 1, 7, dtype=t.float16) | t.linspace(0, 1j, 3) | t.linspace(0.1, 0.9, 33)
t.linspace(1, 0, 100) | t.linspace(0, 1, 5, dtype=t.bfloat16) | t.logspace(0, 2, 3)
t.logspace(0, 4, 5, base=2) | t.logspace(0, 1, 4, dtype=t.float64)
"""


def cases(text):
    lines = filter(None, text.splitlines())
    return [case.strip() for line in lines for case in line.split(" | ")]


def evaluated(case, library):
    names = {"t": library, "T": library.tensor, "N": np, "NAN": NAN, "INF": INF}
    return attempt(lambda: plain(eval(case, names)))


@pytest.mark.parametrize("case", cases(DATA + FILLED + NUMPY + STEPS))
def test_as_torch(case):
    theirs, ours = evaluated(case, torch), evaluated(case, torchcompat)
    assert same(ours, theirs), f"{case}\ntorchcompat {ours}\ntorch       {theirs}"


@pytest.mark.parametrize(
    "kind",
    ["float64", "float32", "float16", "int64", "int8", "uint8", "uint16", "bool", "complex64"],
)
def test_numpy_arrays_are_copied(kind):
    host = np.arange(64).reshape(8, 8).astype(kind)
    for make in (torchcompat.tensor, torchcompat.from_numpy, torchcompat.as_tensor):
        held = make(host.T)
        assert str(held.dtype) == f"torch.{kind}"
        np.testing.assert_array_equal(np.asarray(held), host.T)
        before = np.asarray(held).copy()
        host[:] = 1
        np.testing.assert_array_equal(np.asarray(held), before)
        host = np.arange(64).reshape(8, 8).astype(kind)


def test_what_numpy_has_and_torch_has_not():
    for value in (np.array(["a"]), np.array([1], "datetime64[s]"), np.array([None])):
        theirs, ours = (attempt(lib.from_numpy, value) for lib in (torch, torchcompat))
        assert ours == theirs
    swapped = np.array([1.0], ">f4" if np.little_endian else "<f4")
    assert attempt(torch.from_numpy, swapped) == attempt(torchcompat.from_numpy, swapped)


def test_jax_arrays_and_tracers():
    x = jnp.arange(3.0)
    assert torchcompat.tensor(x).tolist() == [0, 1, 2]
    assert torchcompat.as_tensor(x)._read() is x

    @jax.jit
    def f(x):
        made = torchcompat.tensor([torchcompat.as_tensor(x)[0], 2.0])
        grid = torchcompat.arange(4) + torchcompat.zeros(4) + torchcompat.full((4,), 2.5)
        like = torchcompat.zeros_like(x)
        assert isinstance(like, jax.Array)
        return (made + like[0])._read(), (grid * torchcompat.eye(4))._read()

    made, grid = f(x)
    assert made.tolist() == [0, 2] and grid.trace() == 2.5 * 4 + 6
    text = jax.jit(lambda: torchcompat.zeros(512, 512)._read()).lower().as_text()
    assert len(text) < 2000, "a constant is part of the program"


def test_lists_of_arrays():
    rows = [np.ones(2, np.float32), np.zeros(2, np.float32)]
    made = torchcompat.tensor(rows)
    assert made.dtype is torchcompat.float32 and made.tolist() == [[1, 1], [0, 0]]


def test_eager_creation_compiles_nothing():
    compiled = []

    def listen(event, duration, **about):
        if "compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for size in ((17, 19), (18, 19)):
            torchcompat.zeros(*size)
            torchcompat.full(size, 2)
            torchcompat.arange(size[0])
            torchcompat.linspace(0, 1, size[0])
            torchcompat.eye(*size)
            torchcompat.tensor([[1.0] * size[0]])
            torchcompat.randn(*size)
        assert compiled == []
        torchcompat.zeros(21, 22) + 1
        assert compiled != []
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_devices():
    assert torchcompat.zeros(1, device="cpu").device == torchcompat.device("cpu")
    with torchcompat.device("meta"):
        assert torchcompat.ones(2).device.type == "meta"
    assert torchcompat.ones(2).device.type == jax.default_backend()
    if jax.default_backend() == "cpu":
        assert attempt(torchcompat.zeros, 2, device="cuda") == attempt(
            torch.zeros, 2, device="cuda"
        )
    assert (
        attempt(torchcompat.zeros, 2, device="meta")[0] == attempt(torch.zeros, 2, device="meta")[0]
    )


@pytest.mark.parametrize("kind", ["float32", "complex64", "int8", "uint8", "bool"])
def test_fresh_memory_under_deterministic_algorithms(kind):
    def run(framework):
        dtype = getattr(framework, kind)
        framework.use_deterministic_algorithms(True)
        try:
            made = [
                framework.empty(2, dtype=dtype),
                framework.empty_like(framework.ones(2, dtype=dtype)),
                framework.empty_strided((2,), (1,), dtype=dtype),
                framework.ones(1, dtype=dtype).resize_(3),
            ]
        finally:
            framework.use_deterministic_algorithms(False)
        return str([x.tolist() for x in made])

    assert run(torchcompat) == run(torch)
