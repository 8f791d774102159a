"""`TreeSpec`: the structure of a tree without its leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat.utils._pytree._nodes import (
    STANDARD_DICT_TYPES,
    SUPPORTED_NODES,
    KeyPath,
    _get_node_type,
)


class TreeSpec:
    """The structure of a tree.

    Attributes:
        type: the node's type; None for a leaf.
        num_nodes, num_leaves, num_children: sizes of the tree.
    """

    __slots__ = ("type", "_context", "_children", "num_nodes", "num_leaves", "num_children")
    num_nodes: int
    num_leaves: int
    num_children: int

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]) -> None:
        self.type, self._context, self._children = type, context, list(children_specs)
        self.num_children = len(self._children)
        self.num_nodes = 1 + sum(one.num_nodes for one in self._children)
        leaf = 1 if type is None else 0
        self.num_leaves = leaf + sum(one.num_leaves for one in self._children)

    @property
    def context(self) -> Any:
        """What the node keeps beside its children: a dict's keys, ..."""
        return self._context

    @property
    def children_specs(self) -> list[TreeSpec]:
        """The structures of the children."""
        return self._children

    def children(self) -> list[TreeSpec]:
        """The structures of the children, in a new list."""
        return self._children.copy()

    def child(self, index: int) -> TreeSpec:
        """The structure of one child."""
        return self._children[index]

    def is_leaf(self) -> bool:
        """Whether this is a single leaf."""
        return self.type is None

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (
            self.type is other.type
            and self._context == other._context
            and self._children == other._children
        )

    def __hash__(self) -> int:
        return hash((self.type, _hashable(self._context), tuple(self._children)))

    def __repr__(self, indent: int = 0) -> str:
        if self.type is None:
            return "*"
        head = f"TreeSpec({self.type.__name__}, {self._context}, ["
        children = ""
        if self._children:
            inner = indent + 2
            children = self._children[0].__repr__(inner)
            if len(self._children) > 1:
                children += ","
            for one in self._children[1:]:
                comma = "" if one is self._children[-1] else ","
                children += "\n" + " " * inner + one.__repr__(inner) + comma
        return f"{head}{children}])"

    def flatten_up_to(self, tree: Any) -> list:
        """The subtrees of `tree` that stand where this structure has its leaves.

        Raises:
            ValueError: the tree has another structure.
        """
        found: list = []
        self._collect(tree, found)
        return found

    def _collect(self, tree: Any, found: list) -> None:
        if self.type is None:
            found.append(tree)
            return
        kind = _get_node_type(tree)
        mapping = self.type in STANDARD_DICT_TYPES and kind in STANDARD_DICT_TYPES
        if kind is not self.type and not mapping:
            raise ValueError(
                f"Node type mismatch; expected {self.type!r}, but got {kind!r}."
                if self.type not in STANDARD_DICT_TYPES
                else f"Node type mismatch; expected a dictionary, but got {kind!r}."
            )
        if mapping:
            for key, spec in zip(self._keys(), self._children_for(tree)):
                spec._collect(tree[key], found)
            return
        children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
        children = list(children)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if context != self._context:
            raise ValueError(
                f"Node context mismatch for custom node type {self.type!r}."
                if self.type not in (list, tuple)
                else f"Node context mismatch; expected {self._context!r}, but got {context!r}."
            )
        for spec, child in zip(self._children, children):
            spec._collect(child, found)

    def _keys(self) -> list:
        return self._context[1] if self.type is defaultdict else self._context

    def _children_for(self, tree: dict) -> list[TreeSpec]:
        expected, got = self._keys(), list(tree)
        if len(got) != len(expected):
            raise ValueError(f"Node arity mismatch; expected {len(expected)}, but got {len(got)}.")
        if set(got) != set(expected):
            missing, extra = set(expected) - set(got), set(got) - set(expected)
            message = f"; missing key(s): {missing}" if missing else ""
            message += f"; extra key(s): {extra}" if extra else ""
            raise ValueError(f"Node keys mismatch{message}.")
        return self._children

    def unflatten(self, leaves: Iterable) -> Any:
        """The tree of this structure with these leaves.

        Raises:
            ValueError: there are more or fewer leaves than the structure has.
        """
        if not isinstance(leaves, (list, tuple)):
            leaves = list(leaves)
        if len(leaves) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} "
                f"but the spec refers to a pytree that holds {self.num_leaves} "
                f"items ({self})."
            )
        return self._build(iter(leaves))

    def _build(self, leaves: Iterator) -> Any:
        if self.type is None:
            return next(leaves)
        children = [one._build(leaves) for one in self._children]
        return SUPPORTED_NODES[self.type].unflatten_fn(children, self._context)


class LeafSpec(TreeSpec):
    """The structure of a single leaf."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None, None, [])

    def __repr__(self, indent: int = 0) -> str:
        return "*"


PyTreeSpec = TreeSpec
_LEAF = LeafSpec()


def _hashable(x: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return tuple(map(_hashable, x))
    return tuple(sorted(map(repr, x))) if isinstance(x, (dict, set)) else x


def tree_is_leaf(tree: Any, is_leaf: Callable | None = None) -> bool:
    """Whether `tree` is a leaf: `is_leaf` says so, or its type is no node's."""
    if is_leaf is not None and is_leaf(tree):
        return True
    return _get_node_type(tree) not in SUPPORTED_NODES


_is_leaf = tree_is_leaf


def _flatten(tree: Any, leaves: list, is_leaf: Callable | None) -> TreeSpec:
    if tree_is_leaf(tree, is_leaf):
        leaves.append(tree)
        return _LEAF
    kind = _get_node_type(tree)
    children, context = SUPPORTED_NODES[kind].flatten_fn(tree)
    return TreeSpec(kind, context, [_flatten(one, leaves, is_leaf) for one in children])


def tree_flatten(tree: Any, is_leaf: Callable | None = None) -> tuple[list, TreeSpec]:
    """The leaves of a tree, in order, and its structure.

    Example:
        >>> tree_flatten({"a": 1, "b": [2, None]})[0]
        [1, 2, None]
    """
    leaves: list = []
    spec = _flatten(tree, leaves, is_leaf)
    return leaves, spec


def tree_unflatten(leaves: Iterable, treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves.

    Raises:
        TypeError: `treespec` is no structure.
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"Expected `treespec` to be an instance of PyTreeSpec but got item of type {type(treespec)}."
        )
    return treespec.unflatten(leaves)


def tree_iter(tree: Any, is_leaf: Callable | None = None) -> Iterator:
    """The leaves of a tree, one by one."""
    if tree_is_leaf(tree, is_leaf):
        yield tree
        return
    for child in SUPPORTED_NODES[_get_node_type(tree)].flatten_fn(tree)[0]:
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: Any, is_leaf: Callable | None = None) -> list:
    """The leaves of a tree."""
    return list(tree_iter(tree, is_leaf))


def arg_tree_leaves(*args: Any, **kwargs: Any) -> list:
    """The leaves of all arguments."""
    return tree_leaves((args, kwargs))


def tree_structure(tree: Any, is_leaf: Callable | None = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_leaves_with_path(tree: Any, is_leaf: Callable | None = None) -> list[tuple[KeyPath, Any]]:
    """The leaves of a tree, each with its path."""
    return list(_paths((), tree, is_leaf))


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable | None = None
) -> tuple[list[tuple[KeyPath, Any]], TreeSpec]:
    """The leaves of a tree, each with its path, and the structure."""
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def _paths(path: tuple, tree: Any, is_leaf: Callable | None) -> Iterator[tuple[KeyPath, Any]]:
    if tree_is_leaf(tree, is_leaf):
        yield path, tree
        return
    node = SUPPORTED_NODES[_get_node_type(tree)]
    if node.flatten_with_keys_fn is None:
        raise ValueError(
            f"Did not find a flatten_with_keys_fn for type: {node.type}. "
            "Please pass a flatten_with_keys_fn argument to register_pytree_node."
        )
    for key, child in node.flatten_with_keys_fn(tree)[0]:
        yield from _paths((*path, key), child, is_leaf)


def _broadcast_to_and_flatten(
    tree: Any, treespec: TreeSpec, is_leaf: Callable | None = None
) -> list | None:
    """The leaves of `tree`, each repeated as often as `treespec` has leaves there; None if unlike."""
    if tree_is_leaf(tree, is_leaf):
        return [tree] * treespec.num_leaves
    if treespec.type is None or _get_node_type(tree) is not treespec.type:
        return None
    children, context = SUPPORTED_NODES[treespec.type].flatten_fn(tree)
    children = list(children)
    if len(children) != treespec.num_children or context != treespec.context:
        return None
    found: list = []
    for child, spec in zip(children, treespec.children_specs):
        part = _broadcast_to_and_flatten(child, spec, is_leaf)
        if part is None:
            return None
        found += part
    return found
