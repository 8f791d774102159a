"""Runs one third-party model twice: natively on real torch, and ported on torchcompat."""

from __future__ import annotations

import dataclasses
import os
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

import converters
import torchcompat

WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))
# Largest difference from torch, relative to the largest value of the same output.
TOLERANCE = 2e-4

# torchvision's wheel has compiled ops that do not match the CPU build of torch.
sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))


def tensors(x: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The tensors in a model's output, with the way to each."""
    if isinstance(x, (torch.Tensor, torchcompat.Tensor)):
        yield path, x
    elif isinstance(x, Mapping):
        for key, value in x.items():
            yield from tensors(value, f"{path}.{key}")
    elif isinstance(x, (list, tuple)):
        for i, value in enumerate(x):
            yield from tensors(value, f"{path}[{i}]")
    elif dataclasses.is_dataclass(x):
        for field in dataclasses.fields(x):
            yield from tensors(getattr(x, field.name), f"{path}.{field.name}")


def ours(x: Any) -> Any:
    """Real torch tensors, wherever they are in `x`, as ours."""
    if isinstance(x, torch.Tensor):
        return converters.from_torch(x)
    if isinstance(x, dict):
        return {key: ours(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(ours(one) for one in x)
    return x


def check_close(expected: Any, actual: Any, tolerance: float = TOLERANCE) -> float:
    """Asserts that two outputs agree tensor by tensor; returns the largest relative difference."""
    wanted, got = dict(tensors(expected)), dict(tensors(actual))
    assert list(wanted) == list(got)
    assert wanted, "no tensor in the output"
    worst = 0.0
    for path, want in wanted.items():
        have = got[path]
        assert tuple(have.shape) == tuple(want.shape), path
        assert str(have.dtype).split(".")[-1] == str(want.dtype).split(".")[-1], path
        a = np.asarray(want.detach().to(torch.float64))
        b = np.asarray(have.detach().to(torchcompat.float64))
        scale = max(float(np.abs(a[np.isfinite(a)]).max(initial=0)), 1e-6)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        difference = float(np.abs(np.where(same, 0, a - b)).max(initial=0)) / scale
        assert difference <= tolerance, f"{path}: {difference:.2g}"
        worst = max(worst, difference)
    return worst


def check_state(native: torch.nn.Module, ported: torchcompat.nn.Module) -> None:
    """Asserts that both have the same keys in the same order, of the same shapes and dtypes."""

    def described(module: Any) -> list:
        return [
            (key, tuple(value.shape), str(value.dtype).split(".")[-1])
            for key, value in module.state_dict().items()
        ]

    assert described(native) == described(ported)


@torch.no_grad()
def randomise(native: torch.nn.Module) -> None:
    """Moves batch statistics, and weights that begin as zeros, away from where they do nothing."""
    for parameter in native.parameters():
        if parameter.is_floating_point() and not parameter.any():
            parameter.normal_(0, 0.02)
    for name, buffer in native.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.8, 1.2)


def check_model(
    native: torch.nn.Module,
    ported: torchcompat.nn.Module,
    *args: Any,
    compiled: bool = True,
    eager: bool = True,
    tolerance: float = TOLERANCE,
    **kwargs: Any,
) -> float:
    """Loads torch's weights into the ported model and compares both in eval mode.

    Returns:
        The largest relative difference seen.
    """
    randomise(native)
    check_state(native, ported)
    ported.load_state_dict(converters.from_torch(native.state_dict()))
    native.eval(), ported.eval()
    with torch.no_grad():
        expected = native(*args, **kwargs)
    worst = 0.0
    with torchcompat.no_grad():
        if eager:
            actual = ported(*ours(args), **ours(kwargs))
            worst = check_close(expected, actual, tolerance)
        if compiled:
            fast = torchcompat.compile(ported)
            worst = max(worst, check_close(expected, fast(*ours(args), **ours(kwargs)), tolerance))
    return worst
