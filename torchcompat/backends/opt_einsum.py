"""`torch.backends.opt_einsum`: settings of the order of contractions, which are kept and not read."""

from __future__ import annotations

import importlib.util
from typing import Any

from torchcompat.backends._settings import Settings, settle

strategy: str | None = "auto"


def is_available() -> bool:
    """Whether opt_einsum is installed: JAX requires it."""
    return importlib.util.find_spec("opt_einsum") is not None


def get_opt_einsum() -> Any:
    """The module opt_einsum."""
    return importlib.import_module("opt_einsum")


enabled = is_available()
_STRATEGIES = ("auto", "greedy", "optimal")


class _Checked(Settings):
    """Settings that opt_einsum has."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "strategy" and value not in (None, *_STRATEGIES):
            raise ValueError(
                f"`strategy` must be one of the following: [auto, greedy, optimal] but is {value}"
            )
        super().__setattr__(name, value)


settle(__name__, _Checked)
