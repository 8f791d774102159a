"""Runs lines of source under torch and under torchcompat and compares what they give.

A line is statements and a last expression, separated by `;;`. It sees the library as `torch`,
NumPy as `np`, and fresh tensors: `x` (2, 3) and `c` (2, 3, 4) of floats, `i` (2, 3) of integers,
`a` (3,) and `w` (2, 3) that require gradients. Values, dtypes, strides, offsets, gradient flags and
nodes are compared, and of errors type and text.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import torch

import torchcompat

_SETUP = """
x = torch.arange(6.).reshape(2, 3)
c = torch.arange(24.).reshape(2, 3, 4)
i = torch.arange(6).reshape(2, 3)
a = torch.arange(3.).requires_grad_()
w = torch.ones(2, 3).requires_grad_()
"""


def _namespace(library: Any, setup: str) -> dict[str, Any]:
    names = {"torch": library, "np": np}
    exec(_SETUP + setup, names)
    return names


def show(value: Any) -> Any:
    """What is compared of a value."""
    if isinstance(value, (torch.Tensor, torchcompat.Tensor)):
        node = value.grad_fn
        return (
            tuple(value.shape),
            str(value.dtype),
            value.stride(),
            value.storage_offset(),
            value.requires_grad,
            None if node is None else node.name(),
            _values(value),
        )
    if isinstance(value, (torch.Size, torchcompat.Size)):
        return "Size", tuple(value)
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [show(one) for one in value]
    if isinstance(value, np.ndarray):
        return "ndarray", str(value.dtype), value.tolist()
    if isinstance(value, (bool, int, float, complex, str)) or value is None:
        return value if value == value else "nan"
    return _clean(repr(value))


def _values(tensor: Any) -> Any:
    if tensor.device.type == "meta":
        return "meta"
    return repr(tensor.detach().tolist())


def _clean(text: str) -> str:
    text = re.sub(r" \(Triggered internally at .*\)", "", text)
    return re.sub(r"0x[0-9a-f]+", "0x", text.replace("torchcompat.", "torch."))


def outcome(line: str, library: Any, setup: str = "") -> Any:
    """What a line gives under one library."""
    *statements, last = line.split(";;")
    names = _namespace(library, setup)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for statement in statements:
                exec(statement.strip(), names)
            return show(eval(last.strip(), names))
        except Exception as error:
            return type(error).__name__, _clean(str(error))


def lines(text: str) -> list[str]:
    """The lines of a table."""
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def check(line: str, setup: str = "") -> None:
    """Compares the two libraries on one line, after the statements `setup`."""
    expected, got = outcome(line, torch, setup), outcome(line, torchcompat, setup)
    assert got == expected, f"{line}\n torchcompat: {got!r}\n torch:       {expected!r}"
