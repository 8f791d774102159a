"""Runs one function of ours and of torch's on the same values; compares results and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import jax
import ml_dtypes
import numpy as np
import torch
from jax import numpy as jnp

import torchcompat
from torchcompat._random import default_generator
from torchcompat._tensor import wrap

# Relative and absolute tolerance by torch dtype.
TOLERANCE = {
    torch.float64: (1e-9, 1e-10),
    torch.float32: (2e-5, 2e-6),
    torch.float16: (2e-3, 1e-3),
    torch.bfloat16: (1.6e-2, 8e-3),
    torch.complex64: (2e-5, 2e-6),
    torch.complex128: (1e-9, 1e-10),
}


def to_numpy(x: torch.Tensor) -> np.ndarray:
    """A torch tensor's values, bfloat16 included."""
    x = x.detach().cpu().resolve_conj().resolve_neg()
    if x.dtype is torch.bfloat16:
        return x.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return x.numpy()


def to_jax(x: Any) -> Any:
    """Torch's objects as ours, looking into lists, tuples and dicts; call under 64-bit."""
    if isinstance(x, torch.Tensor):
        return jnp.asarray(to_numpy(x))
    if isinstance(x, torch.dtype):
        return getattr(torchcompat, str(x).removeprefix("torch."))
    if isinstance(x, torch.nn.PairwiseDistance):
        return torchcompat.nn.PairwiseDistance(x.norm, x.eps, x.keepdim)
    if isinstance(x, (list, tuple)):
        return type(x)(map(to_jax, x))
    if isinstance(x, dict):
        return {key: to_jax(value) for key, value in x.items()}
    return x


def assert_close(ours: Any, theirs: torch.Tensor, what: str, factor: float = 1.0) -> None:
    """Same shape, same dtype, values within the dtype's tolerance."""
    want = to_numpy(theirs)
    got = np.asarray(ours)
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, torch {want.dtype}"
    assert got.shape == want.shape, f"{what}: shape {got.shape}, torch {want.shape}"
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want, err_msg=what)
        return
    rtol, atol = TOLERANCE[theirs.dtype]
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(
        got.astype(wide),
        want.astype(wide),
        rtol=rtol * factor,
        atol=atol * factor,
        equal_nan=True,
        err_msg=what,
    )


def tensors_in(results: Any) -> list:
    """The arrays or tensors among a function's results."""
    if isinstance(results, (tuple, list)):
        return [one for result in results for one in tensors_in(result)]
    return [] if results is None else [results]


def compare(
    ours: Callable,
    theirs: Callable,
    args: Iterable[Any],
    kwargs: dict[str, Any] | None = None,
    *,
    gradient: bool = True,
    factor: float = 1.0,
) -> None:
    """Asserts that both functions agree on torch arguments, in value and in gradient.

    The gradient is of the sum of the results times fixed weights, for each argument that requires
    it. Both generators start from 42, the seed that `op_db` sets.
    """
    args, kwargs = tuple(args), kwargs or {}
    named = list(enumerate(args)) + list(kwargs.items())
    moving = [key for key, x in named if _differentiable(x)]
    leaves = {key: x.detach().clone().requires_grad_(key in moving) for key, x in named if _is(x)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(42)
        want = theirs(*_filled(args, leaves), **_filled_kwargs(kwargs, leaves))
    with jax.enable_x64(True):
        values = {key: to_jax(leaves.get(key, x)) for key, x in named}

        def run(*moved: Any) -> list:
            now = {**values, **dict(zip(moving, moved))}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                default_generator.manual_seed(42)
                return tensors_in(ours(*_filled(args, now), **_filled_kwargs(kwargs, now)))

        got = run(*(values[key] for key in moving))
        for i, (a, b) in enumerate(zip(got, tensors_in(want), strict=True)):
            assert_close(a, b, f"result {i}", factor)
        if gradient and moving and any(b.requires_grad for b in tensors_in(want)):
            _compare_gradients(run, tensors_in(want), leaves, values, moving, factor)


def _compare_gradients(run, want, leaves, values, moving, factor) -> None:
    rng = np.random.default_rng(0)
    weights = [torch.from_numpy(np.asarray(rng.uniform(0.5, 1.5, tuple(b.shape)))) for b in want]
    pairs = [(b, w.to(b.dtype)) for b, w in zip(want, weights)]
    used = [(b, w) for b, w in pairs if b.requires_grad]
    expected = torch.autograd.grad(
        [b for b, _ in used],
        [leaves[key] for key in moving],
        [w for _, w in used],
        allow_unused=True,
    )
    _, pull = jax.vjp(run, *(values[key] for key in moving))
    found = pull([to_jax(w) for _, w in pairs])
    for key, a, b in zip(moving, found, expected):
        b = torch.zeros_like(leaves[key]) if b is None else b
        a = a.conj() if jnp.iscomplexobj(a) else a
        assert_close(a, b, f"gradient of argument {key}", factor)


def _is(x: Any) -> bool:
    return isinstance(x, torch.Tensor)


def _differentiable(x: Any) -> bool:
    return _is(x) and x.requires_grad


def _filled(args: tuple, values: dict) -> list:
    return [values.get(i, x) for i, x in enumerate(args)]


def _filled_kwargs(kwargs: dict, values: dict) -> dict:
    return {key: values.get(key, x) for key, x in kwargs.items()}


def same_outcome(ours: Callable, theirs: Callable, args: tuple, kwargs: dict[str, Any]) -> None:
    """Asserts that both calls raise an error of one type and text, and warn alike before."""
    expected = _outcome(theirs, args, kwargs)
    assert isinstance(expected[0], str), f"torch accepts {args} {kwargs}"
    with jax.enable_x64(True):
        args, kwargs = to_jax(tuple(args)), to_jax(kwargs)
    args = [wrap(x) if isinstance(x, jax.Array) else x for x in args]
    kwargs = {k: wrap(x) if isinstance(x, jax.Array) else x for k, x in kwargs.items()}
    assert _outcome(ours, args, kwargs) == expected


def _outcome(function: Callable, args: Any, kwargs: dict[str, Any]) -> tuple:
    """The error's type and text (or the result), and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
    return result, [f"{one.category.__name__}: {one.message}" for one in caught]
