"""What tests of parity share: torch's objects as ours, and comparison by one table of tolerances.

The table is `TOLERANCE` in `_against_torch.py`; an exception is a row of `LOOSER`, with its reason.
"""

from __future__ import annotations

import dataclasses
import types
from typing import Any

import jax
import numpy as np
import torch
from jax import numpy as jnp

import converters
import torchcompat
from tests import _record
from tests._against_torch import TOLERANCE, to_numpy
from torchcompat._tensor import Tensor, wrap

_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType)
# module -> (factor on the tolerance, reason)
LOOSER: dict[str, tuple[float, str]] = {
    "CTCLoss": (100.0, "long sums in float32; torch's own error against float64 is as large"),
    "TransformerDecoderLayer": (3.0, "gradients through six blocks on four features"),
    "Transformer": (3.0, "gradients through ten blocks on four features; float64 agrees"),
}


def to_ours(x: Any) -> Any:
    """torch's object as ours: a tensor, dtype, layout, device, size, module, function or option.

    Looks into tuples, lists and dicts.
    """
    if isinstance(x, torch.nn.Parameter):
        return torchcompat.nn.Parameter(_tensor(x), x.requires_grad)
    if isinstance(x, torch.Tensor):
        return _tensor(x)
    if isinstance(x, (torch.dtype, torch.layout, torch.memory_format)):
        return getattr(torchcompat, str(x).removeprefix("torch."))
    if isinstance(x, torch.device):
        return torchcompat.device(str(x))
    if isinstance(x, torch.Size):
        return torchcompat.Size(x)
    if isinstance(x, torch.nn.Module):
        return converters.from_torch(x)
    if isinstance(x, _FUNCTIONS):
        return getattr(torchcompat.nn.functional, x.__name__, x)
    if isinstance(x, torch.nn.LinearCrossEntropyOptions):
        return torchcompat.nn.LinearCrossEntropyOptions(**to_ours(dataclasses.asdict(x)))
    if isinstance(x, (list, tuple)):
        return type(x)(map(to_ours, x))
    if isinstance(x, dict):
        return type(x)((key, to_ours(value)) for key, value in x.items())
    return x


def _tensor(x: torch.Tensor) -> Tensor:
    with jax.enable_x64(True):
        # A copy of NumPy's own: JAX may read its source later, when torch has written to it.
        return wrap(jnp.asarray(to_numpy(x).copy()))


def assert_close(ours: Any, theirs: torch.Tensor, what: str = "", factor: float = 1.0) -> None:
    """Same shape, same dtype, values within the dtype's tolerance.

    The absolute tolerance is for values up to 1 and grows with the largest value of the tensor: where
    large terms cancel, the error that is left is theirs.

    Args:
        ours: a Tensor or an array.
        factor: multiplies the tolerance; take it from `LOOSER`.
    """
    want, got = to_numpy(theirs), to_array(ours)
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, torch {want.dtype}"
    assert got.shape == want.shape, f"{what}: shape {got.shape}, torch {want.shape}"
    if want.dtype.kind in "biu":
        np.testing.assert_array_equal(got, want, err_msg=what)
        _record.figure(0.0, want.dtype.name)
        return
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    want, got = want.astype(wide), got.astype(wide)
    rtol, atol = (factor * t for t in TOLERANCE[theirs.dtype])
    finite = np.abs(want[np.isfinite(want)])
    atol *= max(1.0, finite.max(initial=0.0))
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol, equal_nan=True, err_msg=what)
    _record.figure(relative_error(got, want), str(theirs.dtype).removeprefix("torch."))


def relative_error(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference, over the tensor's largest value, or over 0.01 if that is smaller."""
    both = np.isfinite(want) & np.isfinite(got)
    difference = np.abs(got[both] - want[both]).max(initial=0.0)
    return float(difference / max(1e-2, np.abs(want[both]).max(initial=0.0)))


def assert_equal(ours: Any, theirs: torch.Tensor, what: str = "") -> None:
    """Same shape, same dtype, same bits."""
    want = to_numpy(theirs)
    got = to_array(ours)
    assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, torch {want.dtype}"
    assert got.shape == want.shape, f"{what}: shape {got.shape}, torch {want.shape}"
    assert got.tobytes() == want.tobytes(), f"{what}: not the same bits"


def to_array(x: Any) -> np.ndarray:
    """A Tensor's or array's values in NumPy."""
    return np.ascontiguousarray(np.asarray(x)).reshape(np.shape(x))
