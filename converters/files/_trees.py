"""Nested trees, as Flax and Orbax keep them, and the dotted names of their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
_WRAPPED = "value"


def nest(named: Mapping[str, T]) -> dict[str, Any]:
    """From "a.b" to `{"a": {"b": ...}}`.

    Raises:
        ValueError: a name is empty in a part, or stands for a leaf and for what holds leaves.
    """
    tree: dict[str, Any] = {}
    for name, leaf in named.items():
        *above, last = name.split(".")
        if not all((*above, last)):
            raise ValueError(f"{name!r} has an empty part, which a tree of names cannot hold")
        at: Any = tree
        for part in above:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise ValueError(f"{name!r} lies under {part!r}, which is a tensor itself")
        if last in at:
            raise ValueError(f"{name!r} is a tensor, and others lie under it")
        at[last] = leaf
    return tree


def leaves(tree: Any, is_leaf: Callable[[Any], bool]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The leaves of nested dicts and lists with their paths, in order; empty containers have none."""
    if is_leaf(tree) or not isinstance(tree, (Mapping, list, tuple)):
        yield (), tree
        return
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
    for key, below in items:
        for path, leaf in leaves(below, is_leaf):
            yield (str(key), *path), leaf


def joined(paths: Sequence[tuple[str, ...]], alone: str = "tensor") -> list[str]:
    """The dotted name of each path.

    `nnx.State` adds a last step `value` to every path, which is left out.

    Raises:
        ValueError: two paths have one name.
    """
    if paths and all(len(path) > 1 and path[-1] == _WRAPPED for path in paths):
        paths = [path[:-1] for path in paths]
    names = [".".join(path) or alone for path in paths]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the checkpoint has two entries called {name!r} once keys are joined")
        seen.add(name)
    return names
