"""`functionalize`, which has nothing left to do here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def functionalize(func: Callable, *, remove: str = "mutations") -> Callable:
    """The same function: arrays are immutable here, so a traced program holds no mutation.

    Raises:
        RuntimeError: `remove` is none of torch's values.
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            f"functionalize(f, remove='{remove}'): received invalid argument for remove=. Valid "
            "options are: remove='mutations', remove='mutations_and_views'"
        )

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper
