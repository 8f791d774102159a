"""torch's own table of optimizers, walked whole: options, state, and errors.

The default run takes two rows of each optimizer in float32; `TORCHCOMPAT_WHOLE=1` takes all rows, and
float64, bfloat16 and complex64 as well. All errors run always.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing._internal.common_optimizers import OptimizerErrorEnum, optim_db

import torchcompat
from tests._parity import to_ours
from tests._training import check_same

WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))
INFO = {info.optim_cls.__name__: info for info in optim_db}
# dtype -> tolerance, relative to the largest element
TOLERANCE = {"float32": 2e-5, "float64": 1e-9, "bfloat16": 0.05, "complex64": 2e-5}
# optimizer -> dtypes it has no rows for
LEFT_OUT = {
    "SparseAdam": (set(TOLERANCE), "it refuses dense gradients"),
    "Muon": ({"complex64", "float64"}, "it refuses complex ones, and iterates in bfloat16"),
    "Adafactor": ({"complex64"}, "it refuses complex parameters"),
    "LBFGS": ({"float32", "bfloat16", "complex64"}, "the way it takes hangs on the last digits"),
}


def rows(name: str) -> list[int]:
    """Numbers of the rows to run: all, or the first and the last that sets an option."""
    count = len(list(INFO[name].optim_inputs_func(device="cpu")))
    return list(range(count)) if WHOLE else [0, count - 1]


def dtypes(name: str) -> list[str]:
    left_out = LEFT_OUT.get(name, (set(), ""))[0]
    return [dtype for dtype in TOLERANCE if dtype not in left_out][: None if WHOLE else 1]


CASES = [(name, i, dtype) for name in INFO for dtype in dtypes(name) for i in rows(name)]
STEPS = 5


class Pair:
    """One optimizer row under both libraries, over the same parameters."""

    def __init__(self, name: str, kwargs: dict[str, Any], dtype: str) -> None:
        self.rng = np.random.RandomState(0)
        self.shapes = [(4, 3), (2, 5)] if name == "Muon" else [(4, 3), (5,), ()]
        if dtype == "complex64":
            self.shapes.pop()
        self.dtype = dtype
        self.theirs = [torch.nn.Parameter(self.values(s)) for s in self.shapes]
        self.ours = to_ours(self.theirs)
        self.their_optimizer = INFO[name].optim_cls(self.theirs, **kwargs)
        self.our_optimizer = getattr(torchcompat.optim, name)(self.ours, **to_ours(kwargs))

    def values(self, shape: tuple) -> torch.Tensor:
        x = np.asarray(self.rng.randn(*shape))
        if self.dtype == "complex64":
            x = x + 1j * np.asarray(self.rng.randn(*shape))
        return torch.tensor(x).to(getattr(torch, self.dtype))

    def step(self, with_closure: bool) -> None:
        if with_closure:
            pairs = (self.theirs, self.their_optimizer), (self.ours, self.our_optimizer)
            for params, optimizer in pairs:
                optimizer.step(lambda p=params, o=optimizer: self.objective(p, o))
            return
        for theirs, ours in zip(self.theirs, self.ours):
            theirs.grad = self.values(tuple(theirs.shape))
            ours.grad = to_ours(theirs.grad)
        self.their_optimizer.step()
        self.our_optimizer.step()

    @staticmethod
    def objective(params: list, optimizer: Any) -> Any:
        optimizer.zero_grad()
        loss = sum(((p - 0.5) ** 4).sum() + (p**2).sum() for p in params)
        loss.backward()
        return loss


@pytest.mark.parametrize(("name", "row", "dtype"), CASES)
def test_row(name, row, dtype):
    info = INFO[name]
    kwargs = info.optim_inputs_func(device="cpu")[row].kwargs
    pair = Pair(name, kwargs, dtype)
    for _ in range(STEPS):
        pair.step(info.step_requires_closure)
    tolerance = TOLERANCE[dtype]
    check_same([p.detach() for p in pair.ours], [p.detach() for p in pair.theirs], tolerance)
    ours, theirs = pair.our_optimizer.state_dict(), pair.their_optimizer.state_dict()
    if info.step_requires_closure:
        # At the minimum its history is differences of equal numbers; the training test compares it.
        assert [list(held) for held in ours.pop("state").values()] == [
            list(held) for held in theirs.pop("state").values()
        ]
    check_same(ours, theirs, tolerance)


def outcome(function: Any) -> Any:
    """The error of a call, or its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            function()
        except Exception as error:
            return type(error).__name__, str(error)
    return [str(one.message) for one in caught]


def error_rows(name: str) -> list[Any]:
    return list(INFO[name].optim_error_inputs_func("cpu", torch.float32))


# (optimizer, description) -> why the row is left out
NO_ERROR = {
    ("SparseAdam", "dense params required"): "there are no sparse tensors",
    ("SparseAdam", "dense params required in param_groups"): "there are no sparse tensors",
}
ERRORS = [
    (name, i)
    for name in INFO
    for i, row in enumerate(error_rows(name))
    if (name, row.optimizer_error_input.desc) not in NO_ERROR
]


@pytest.mark.parametrize(("name", "row"), ERRORS)
def test_error(name, row):
    case = error_rows(name)[row]
    given = case.optimizer_error_input
    ours_kind = getattr(torchcompat.optim, name)

    def run(kind: Any, params: Any, kwargs: dict) -> None:
        optimizer = kind(params, **kwargs)
        if case.error_on is OptimizerErrorEnum.STEP_ERROR:
            optimizer.step()

    params = given.params
    if not isinstance(params, (torch.Tensor, list, tuple, type(None))):
        params = list(params)
    if params is None:
        params = [torch.nn.Parameter(torch.randn(2, 3))]
    ours = outcome(lambda: run(ours_kind, as_ours(params, {}), to_ours(given.kwargs)))
    assert ours == outcome(lambda: run(INFO[name].optim_cls, params, given.kwargs))
    assert ours or case.error_on is OptimizerErrorEnum.STEP_ERROR


def as_ours(x: Any, memo: dict) -> Any:
    """Parameters as ours: one that occurs twice is one object, and gradients come along."""
    if isinstance(x, dict):
        return {key: as_ours(one, memo) for key, one in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(as_ours(one, memo) for one in x)
    if not isinstance(x, torch.Tensor):
        return x
    if id(x) not in memo:
        memo[id(x)] = to_ours(x)
        if x.grad is not None:
            memo[id(x)].grad = to_ours(x.grad)
    return memo[id(x)]


def test_every_class_has_rows():
    theirs = {n for n in dir(torch.optim) if isinstance(getattr(torch.optim, n), type)}
    assert theirs - {"Optimizer"} == set(INFO)
    assert theirs <= set(dir(torchcompat.optim))
