"""Runs one scenario under torch and under torchcompat and compares all that it showed.

A scenario is a generator function of one argument, the library: each value it yields is compared.
`attempt(f)` gives the result of `f`, or the type and text of its error, with the warnings it gave.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import torch

import torchcompat

_ONCE = ("Casting complex values to real discards the imaginary part",)
_TENSORS = (torch.Tensor, torchcompat.Tensor)
_MODULES = (torch.nn.Module, torchcompat.nn.Module)


def plain(x: Any) -> Any:
    """What can be compared across the two libraries."""
    if isinstance(x, _TENSORS):
        facts = str(x.dtype), tuple(x.shape), _values(x), x.requires_grad
        return type(x).__name__, *facts
    if isinstance(x, (jax.Array, np.ndarray)):
        return "array", np.asarray(x).tolist()
    if isinstance(x, _MODULES):
        return plain(repr(x))
    if isinstance(x, str):
        return re.sub(r"0x[0-9a-f]+", "0x", x.replace("torchcompat.", "torch."))
    if isinstance(x, dict):
        return type(x).__name__.replace("Tracked", ""), [(k, plain(v)) for k, v in x.items()]
    if isinstance(x, (list, tuple, set)):
        return type(x).__name__, [plain(one) for one in x]
    if isinstance(x, type):
        return x.__name__
    if x is None or isinstance(x, (bool, int, float)):
        return x
    return plain(repr(x))


def same(a: Any, b: Any) -> bool:
    """Equality, but that floating-point numbers may differ in their last digits."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (float, complex)) and isinstance(b, (float, complex)):
        return a == b or abs(a - b) <= 1e-6 + 1e-5 * abs(b) or (a != a and b != b)
    return type(a) is type(b) and a == b


def _values(x: Any) -> Any:
    if x.device.type == "meta":
        return "meta"
    if isinstance(x, torch.Tensor):
        return x.detach().tolist()
    array = np.asarray(x)
    return (array.astype(np.float64) if array.dtype.kind == "V" else array).tolist()


def attempt(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """The result of a call, or its error, and the warnings it gave."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(function(*args, **kwargs))
        except Exception as error:
            result = "raised", type(error).__name__, plain(str(error))
    texts = [(w.category.__name__, _without_source(str(w.message))) for w in caught]
    # torch gives some warnings once a process, whichever test is first.
    return result, [one for one in texts if not one[1].startswith(_ONCE)]


def _without_source(message: str) -> str:
    return plain(re.sub(r" \(Triggered internally at .*\)", "", message))


def both(scenario: Callable) -> Callable:
    """Makes a test of a scenario."""

    @functools.wraps(scenario)
    def test() -> None:
        theirs = [plain(x) for x in scenario(torch)]
        ours = scenario(torchcompat)
        assert theirs, "the scenario showed nothing"
        for number, expected in enumerate(theirs, 1):
            got = plain(next(ours))
            assert same(got, expected), f"step {number}: torchcompat {got!r}, torch {expected!r}"
        assert next(ours, None) is None

    del test.__wrapped__  # pytest would look for a fixture called `torch`
    return test
