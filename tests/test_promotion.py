"""Type promotion: every pair of dtypes, as tensors with dimensions, 0-d tensors and numbers."""

import itertools

import jax
import numpy as np
import pytest
import torch
from jax import numpy as jnp

import torchcompat
from tests._both import attempt

NAMES = [
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "float8_e4m3fn"),
]
PAIRS = list(itertools.product(NAMES, repeat=2))
NUMBERS = (True, 3, 2.5, 1j)


def outcome(library, function, *args):
    """The name of the dtype, or the type and text of the error.

    NumPy and JAX have no complex32; complex64 stands for it.
    """
    result, warned = attempt(lambda: str(function(*args)))
    return "torch.complex64" if result == "torch.complex32" else result, warned


@pytest.mark.parametrize("first", NAMES)
def test_promote_types_and_can_cast(first):
    for second in NAMES:
        results = []
        for library in (torch, torchcompat):
            kinds = getattr(library, first), getattr(library, second)
            results.append(
                [attempt(getattr(library, f), *kinds) for f in ("promote_types", "can_cast")]
            )
        assert results[0] == results[1], (first, second)


@pytest.mark.parametrize("first", NAMES)
def test_result_type_by_rank(first):
    for second, sizes in itertools.product(NAMES, [((2,), (2,)), ((2,), ()), ((), ())]):
        results = []
        for library in (torch, torchcompat):
            a, b = (
                library.empty(size, dtype=getattr(library, name), device="meta")
                for size, name in zip(sizes, (first, second))
            )
            results.append(
                (
                    outcome(library, library.result_type, a, b),
                    outcome(library, library.result_type, b, a),
                )
            )
        assert results[0] == results[1], (first, second, sizes)


@pytest.mark.parametrize("name", NAMES)
def test_result_type_with_numbers(name):
    for number, size in itertools.product(NUMBERS, [(2,), ()]):
        results = []
        for library in (torch, torchcompat):
            tensor = library.empty(size, dtype=getattr(library, name), device="meta")
            results.append(outcome(library, library.result_type, tensor, number))
        assert results[0] == results[1], (name, number, size)


def test_result_type_of_numbers():
    for a, b in itertools.product(NUMBERS, repeat=2):
        assert str(torch.result_type(a, b)) == str(torchcompat.result_type(a, b))


OPERATIONS = ("add", "div", "eq", "pow", "maximum", "atan2", "floor_divide", "clamp_min")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operations_follow(operation):
    """Every tenth pair runs: dtype of the result, or the kind of error."""
    for (first, second), size in zip(PAIRS[:: 11 + len(operation)], itertools.cycle([(2,), ()])):
        results = []
        for library in (torch, torchcompat):
            a = library.ones(2, dtype=getattr(library, first))
            b = library.ones(size, dtype=getattr(library, second))
            try:
                results.append(str(getattr(library, operation)(a, b).dtype))
            except (RuntimeError, NotImplementedError) as error:
                results.append(type(error).__name__)
        if "8_e4" in first + second or "uint" in first + second.replace("uint8", ""):
            continue
        assert results[0] == results[1], (operation, first, second, size)


def test_default_dtype_decides_for_numbers():
    for name in ("float64", "float16", "float32"):
        seen = []
        for library in (torch, torchcompat):
            library.set_default_dtype(getattr(library, name))
            try:
                whole = library.ones(2, dtype=library.int64)
                made = (whole + 0.5, whole / 2, library.tensor(0.5), library.zeros(1))
                seen.append([str(x.dtype) for x in (*made, library.sqrt(whole))])
            finally:
                library.set_default_dtype(library.float32)
        assert seen[0] == seen[1], name


def test_jax_arrays_keep_their_types():
    with jax.enable_x64(True):
        double, single = jnp.ones(2, jnp.float64), jnp.ones(2, jnp.float32)
    assert torchcompat.add(double, single).dtype == np.float64
    assert torchcompat.add(single, 2.5).dtype == np.float32
    assert not torchcompat.add(single, 2.5).weak_type
    assert torchcompat.sum(jnp.ones(2, jnp.int32)).dtype == np.int64


def test_half_types_take_numbers_in_full_precision():
    """torch multiplies a half tensor by a number in float32 and rounds once."""
    for name in ("float16", "bfloat16"):
        values = []
        for library in (torch, torchcompat):
            x = library.tensor([0.1, 3.0, 700.0], dtype=getattr(library, name))
            values.append(
                [
                    (x * 0.3).tolist(),
                    (x + 1e-3).tolist(),
                    (x / 3).tolist(),
                    x.add(x, alpha=0.1).tolist(),
                ]
            )
        assert values[0] == values[1], name


NUMPY_SCALARS = """o * n.log(2.0)
n.float64(2) * o
n.float64(2) - o
n.int64(5) // i
i * n.int64(2)
i / n.float64(2)
i < n.float32(3)
o ** n.float64(2)
h * n.float64(2)
t.mul(o, n.float64(3))
t.pow(o, n.float64(2))
t.where(o > 0, o, n.float64(2))
o.clamp(n.float64(0), n.float64(0.5))
o.masked_fill(o > 0, n.float64(2))
t.lerp(o, o, n.float64(0.5))
t.mul(n.float64(2), n.float64(3))
i.add_(n.int64(1))""".splitlines()


@pytest.mark.parametrize("text", NUMPY_SCALARS)
def test_numpy_scalars_count_as_numbers(text):
    """`tensor * np.log(2)` keeps the tensor's type, though it has no dimensions."""
    found = []
    for library in (torch, torchcompat):
        o, h = library.ones([]), library.ones(2, dtype=library.float16)
        i = library.ones([], dtype=library.int32)
        made = eval(text, {"t": library, "n": np, "o": o, "i": i, "h": h})
        found.append((str(made.dtype), made.tolist(), type(made) is library.Tensor))
    assert found[0] == found[1]
