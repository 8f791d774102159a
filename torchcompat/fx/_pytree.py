"""`torch.fx._pytree`: the leaves of a tree by the structure of another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchcompat.utils import _pytree

__all__ = ["SUPPORTED_NODES", "register_pytree_flatten_spec", "tree_flatten_spec"]

# type -> the children of an object, given it and the structure that it should have
SUPPORTED_NODES: dict[type, Callable[[Any, _pytree.TreeSpec], list]] = {
    dict: lambda tree, spec: [tree[key] for key in spec.context],
    list: lambda tree, spec: list(tree[: spec.num_children]),
    tuple: lambda tree, spec: list(tree[: spec.num_children]),
}
SUPPORTED_NODES_EXACT_MATCH: dict[type, Callable[[Any, _pytree.TreeSpec], bool] | None] = {
    kind: lambda tree, spec: len(tree) == spec.num_children for kind in SUPPORTED_NODES
}


def register_pytree_flatten_spec(
    cls: type,
    flatten_fn_spec: Callable[[Any, _pytree.TreeSpec], list],
    flatten_fn_exact_match_spec: Callable[[Any, _pytree.TreeSpec], bool] | None = None,
) -> None:
    """Says how the children of `cls` are found, given an object and its structure."""
    SUPPORTED_NODES[cls] = flatten_fn_spec
    SUPPORTED_NODES_EXACT_MATCH[cls] = flatten_fn_exact_match_spec


def tree_flatten_spec(pytree: Any, spec: _pytree.TreeSpec) -> list:
    """The leaves of `pytree` where `spec` has leaves.

    Raises:
        RuntimeError: a node of a type that is not registered has another structure.
    """
    if spec.is_leaf():
        return [pytree]
    children = SUPPORTED_NODES.get(spec.type)
    if children is None and _pytree.is_namedtuple_class(spec.type):
        children = SUPPORTED_NODES[tuple]
    if children is None:
        leaves, found = _pytree.tree_flatten(pytree)
        if found != spec:
            raise RuntimeError(
                f"Real spec {found} of object {pytree} is different from expected spec {spec}."
            )
        return leaves
    pairs = zip(children(pytree, spec), spec.children_specs)
    return [leaf for child, inner in pairs for leaf in tree_flatten_spec(child, inner)]
