"""`torch.backends.opt_einsum`: settings of the order of contractions, which are kept and not read."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

strategy: str | None = "auto"


def is_available() -> bool:
    """Whether opt_einsum is installed: JAX requires it."""
    return importlib.util.find_spec("opt_einsum") is not None


def get_opt_einsum() -> Any:
    """The module opt_einsum."""
    return importlib.import_module("opt_einsum")


enabled = is_available()
