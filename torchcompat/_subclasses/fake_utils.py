"""`torch._subclasses.fake_utils`: which tensors share their memory."""

from __future__ import annotations

from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.utils._pytree import tree_leaves

__all__ = ["output_alias_each_other", "outputs_alias_inputs", "outputs_are_inputs"]


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def outputs_alias_inputs(outputs: Any, inputs: Any) -> bool:
    """Whether a tensor of `outputs` lies in the storage of one of `inputs`."""
    held = {id(one._cell.root) for one in _tensors(inputs)}
    return any(id(one._cell.root) in held for one in _tensors(outputs))


def outputs_are_inputs(outputs: Any, inputs: Any) -> bool:
    """Whether a tensor of `outputs` is one of `inputs`."""
    held = set(map(id, _tensors(inputs)))
    return any(id(one) in held for one in _tensors(outputs))


def output_alias_each_other(outputs: Any) -> bool:
    """Whether two tensors of `outputs` lie in one storage."""
    cells = [id(one._cell.root) for one in _tensors(outputs)]
    return len(set(cells)) < len(cells)
