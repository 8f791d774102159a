"""The one place where hyper-parameters are read from a parameter group.

A compiled step takes the numbers as scalar inputs, so that a schedule does not recompile it, and is
compiled anew when a flag changes. While a state capture runs, `numbers` asks it for the scalar that
stands for each one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._state import state

# Pairs and triples that the rules know by single names.
PARTS = {
    "betas": ("beta1", "beta2"),
    "etas": ("etaminus", "etaplus"),
    "step_sizes": ("step_size_min", "step_size_max"),
    "eps": ("eps1", "eps2"),
    "ns_coefficients": ("a", "b", "c"),
}


def numbers(group: dict, names: Iterable[str]) -> dict[str, Any]:
    """The hyper-parameters `names` by the names that the rules use: floats, Tensors or None."""
    found: dict[str, Any] = {}
    for name in names:
        value = group[name]
        if isinstance(value, (tuple, list)):
            for i, (part, one) in enumerate(zip(PARTS[name], value)):
                found[part] = _number(group, name, i, one)
        else:
            found[name] = _number(group, name, None, value)
    return found


def _number(group: dict, name: str, index: int | None, value: Any) -> Any:
    if value is None or isinstance(value, Tensor):
        return value
    read = getattr(state.capture, "number", None)
    return float(value) if read is None else read(group, name, index)


def flags(group: dict, names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that are set or, being numbers, not zero."""
    return frozenset(name for name in names if _set(group[name]))


def _set(value: Any) -> bool:
    # A tensor's value may not be known yet: the update is written so that zero changes nothing.
    return True if isinstance(value, Tensor) else bool(value)
