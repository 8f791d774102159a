"""How results of half types are judged: close to torch's, or as near to the exact ones as torch's are.

torch rounds some of its functions after each step and we round them once, or the other way about;
where large terms cancel, both are far from each other, and neither is wrong.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tests._against_torch import TOLERANCE
from tests._parity import assert_close, to_array

HALVES = (torch.float16, torch.bfloat16)


def leaves(x: Any) -> list:
    """What nested tuples, lists and dicts hold, in order."""
    if isinstance(x, (tuple, list)):
        return [leaf for one in x for leaf in leaves(one)]
    if isinstance(x, dict):
        return [leaf for one in x.values() for leaf in leaves(one)]
    return [x]


class Exact:
    """A torch function's results, and its gradients, in float64; computed when first asked for."""

    def __init__(self, function: Callable, arguments: tuple[tuple, dict]) -> None:
        self._function, self._given = function, arguments

    @cached_property
    def _arguments(self) -> tuple[tuple, dict]:
        return _double(self._given)

    @cached_property
    def outputs(self) -> list:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return leaves(self._function(*self._arguments[0], **self._arguments[1]))

    def gradients(self, weights: list) -> tuple:
        tensors = [x for x in leaves(self._arguments) if isinstance(x, torch.Tensor)]
        recorded = [x for x in self.outputs if isinstance(x, torch.Tensor) and x.requires_grad]
        return torch.autograd.grad(
            recorded,
            [x for x in tensors if x.requires_grad],
            [w.double() for w in weights],
            allow_unused=True,
            materialize_grads=True,
        )


def _double(x: Any) -> Any:
    if isinstance(x, torch.Tensor):
        wide = x.detach().double() if x.dtype in HALVES else x.detach()
        return wide.requires_grad_(x.requires_grad)
    if isinstance(x, (tuple, list)):
        return type(x)(map(_double, x))
    if isinstance(x, dict):
        return {key: _double(value) for key, value in x.items()}
    return torch.float64 if x in HALVES else x


def accept(
    ours: Any, theirs: torch.Tensor, exact: Callable[[], Any], what: str, factor: float = 1.0
) -> None:
    """`assert_close`; a result of a half type may also be no further from the exact one than torch's."""
    try:
        assert_close(ours, theirs, what, factor)
    except AssertionError:
        if theirs.dtype not in HALVES or not _as_near(ours, theirs, exact()):
            raise


def _as_near(ours: Any, theirs: torch.Tensor, exact: torch.Tensor) -> bool:
    """Whether our largest error is within twice that of torch's, and the type's rounding."""
    want = exact.detach().numpy()
    found, other = to_array(ours).astype(np.float64), theirs.detach().double().numpy()
    if found.shape != want.shape:
        return False
    size = max(1.0, np.abs(want[np.isfinite(want)]).max(initial=0.0))
    return _error(found, want) <= 2 * _error(other, want) + TOLERANCE[theirs.dtype][0] * size


def _error(found: np.ndarray, want: np.ndarray) -> float:
    """The largest difference; infinite where a value is not finite that should be."""
    same = (found == want) | (np.isnan(found) & np.isnan(want))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(found - want))
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))
