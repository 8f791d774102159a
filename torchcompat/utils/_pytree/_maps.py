"""Functions applied to the leaves of trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat.utils._pytree._spec import (
    tree_flatten,
    tree_flatten_with_path,
    tree_iter,
)


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable | None = None) -> Any:
    """The tree of `func(leaf, *leaves of the rests)`.

    Raises:
        ValueError: one of `rests` has another structure.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(one) for one in rests]
    return spec.unflatten(list(map(func, leaves, *others)))


def tree_map_(func: Callable, tree: Any, *rests: Any, is_leaf: Callable | None = None) -> Any:
    """Calls `func` on the leaves and returns `tree` itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    for each in zip(leaves, *(spec.flatten_up_to(one) for one in rests)):
        func(*each)
    return tree


def tree_map_with_path(
    func: Callable, tree: Any, *rests: Any, is_leaf: Callable | None = None
) -> Any:
    """The tree of `func(path, leaf, *leaves of the rests)`."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(one) for one in rests]
    paths, leaves = zip(*found) if found else ((), ())
    return spec.unflatten(list(map(func, paths, leaves, *others)))


def _test(which: Any) -> Callable[[Any], bool]:
    if isinstance(which, (type, tuple)) or hasattr(which, "__args__"):
        return lambda x: isinstance(x, which)
    if callable(which):
        return which
    raise TypeError("Argument must be a type, a tuple of types, or a callable.")


def map_only(type_or_types_or_pred: Any, /) -> Callable:
    """A decorator that has a function called only on what is of a type (or fulfils a predicate)."""
    fits = _test(type_or_types_or_pred)

    def wrapper(func: Callable) -> Callable:
        return lambda x: func(x) if fits(x) else x

    return wrapper


def tree_map_only(
    type_or_types_or_pred: Any, /, func: Callable, tree: Any, is_leaf: Callable | None = None
) -> Any:
    """The tree with `func` of each leaf of a type (or that fulfils a predicate), the others kept."""
    return tree_map(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any, /, func: Callable, tree: Any, is_leaf: Callable | None = None
) -> Any:
    """Calls `func` on each leaf of a type (or that fulfils a predicate); returns `tree` itself."""
    return tree_map_(map_only(type_or_types_or_pred)(func), tree, is_leaf=is_leaf)


def tree_all(pred: Callable, tree: Any, is_leaf: Callable | None = None) -> bool:
    """Whether all leaves fulfil `pred`."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable, tree: Any, is_leaf: Callable | None = None) -> bool:
    """Whether any leaf fulfils `pred`."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any, /, pred: Callable, tree: Any, is_leaf: Callable | None = None
) -> bool:
    """Whether all leaves of a type fulfil `pred`."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Any, /, pred: Callable, tree: Any, is_leaf: Callable | None = None
) -> bool:
    """Whether any leaf of a type fulfils `pred`."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))
