"""Anomaly detection: which forward op a failed or NaN derivative belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from torchcompat._tensor._state import state

_NO_TRACE = (
    "No forward pass information available. Enable detect anomaly during forward pass for more "
    "information."
)


class Anomaly:
    """The running mode.

    Attributes:
        check_nan: a derivative with a NaN in it is an error.
    """

    __slots__ = ("check_nan",)

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan


@contextmanager
def explaining(node: Any) -> Iterator[None]:
    """On an error warns where in the forward pass the op was called."""
    try:
        yield
    except Exception:
        lines = node.made_at
        told = _NO_TRACE if lines is None else _FOUND + "".join(lines)
        warnings.warn(f"Error detected in {node.name()}. {told}", stacklevel=2)
        raise


_FOUND = "Traceback of forward call that caused the error:\n"


def check(node: Any, gradients: Sequence[Any]) -> None:
    """Raises torch's error where a gradient has a NaN."""
    if not state.anomaly.check_nan:
        return
    for i, gradient in enumerate(gradients):
        if gradient is None:
            continue
        values = np.asarray(gradient.detach())
        if values.dtype.kind in "fc" and np.isnan(values).any():
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {i}th output.")
