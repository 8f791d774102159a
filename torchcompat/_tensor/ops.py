"""Every op of the registry as a function on Tensors or arrays: `from torchcompat._tensor.ops import relu`."""

from typing import Any

from torchcompat._tensor._faces import FUNCTIONS

globals().update(FUNCTIONS["all"])


def __getattr__(name: str) -> Any:
    raise AttributeError(f"torchcompat has no op {name!r}")
