"""NumPy's names of arguments, which torch's compiled functions take as well."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

SPELLINGS = {
    "axis": "dim",
    "axis0": "dim0",
    "axis1": "dim1",
    "keepdims": "keepdim",
    "x": "input",
    "a": "input",
    "x2": "other",
}


def spelled(function: Callable) -> Callable:
    """A decorator: the function takes its arguments under NumPy's names too."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    words = {word: name for word, name in SPELLINGS.items() if name in names}

    @functools.wraps(function)
    def face(*args: Any, **kwargs: Any) -> Any:
        for word in words.keys() & kwargs.keys():
            kwargs[words[word]] = kwargs.pop(word)
        return function(*args, **kwargs)

    return face
