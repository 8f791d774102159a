"""What a node keeps for backward: which values, whether they were written to since, saved-tensor hooks.

A node keeps arrays, which nothing can change, so its derivative is always right. torch keeps tensors and
refuses to go backward if one of them was written to; the table of `_saved_names.py` says which, so that
the same programs are refused here, and so that values no derivative depends on are not kept.
"""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Callable
from typing import Any

import jax

from torchcompat import _dtype
from torchcompat._ops._registry import Row
from torchcompat._tensor._saved_names import ALIKE, BY_NEED, PRODUCTS
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, wrap

# What stands for a value that is not kept: both have a shape and a dtype.
ABSENT = (jax.ShapeDtypeStruct, jax.core.ShapedArray)
_RESULT, _CHOSEN = "result", "chosen"


class _Rule:
    """What one op keeps: names of arguments, for each argument that needs a gradient or for all alike."""

    __slots__ = ("alike", "by_need", "nothing", "product")

    def __init__(self, name: str, alike: str | None, by_need: dict[str, str] | None) -> None:
        self.alike = None if alike is None else frozenset(alike.split())
        self.by_need = {k: frozenset(v.split()) for k, v in (by_need or {}).items()}
        self.nothing = alike == ""
        self.product = name in PRODUCTS

    def kept(self, row: Row, args: tuple) -> frozenset[str]:
        """The names of what is kept for a call."""
        if self.alike is not None:
            return self.alike
        found: frozenset[str] = frozenset()
        for name, x in zip(row.names, args):
            if name in self.by_need and isinstance(x, Tensor) and x.requires_grad:
                found |= self.by_need[name]
        return found


RULES = {name: _Rule(name, kept, None) for kept, names in ALIKE.items() for name in names.split()}
RULES |= {name: _Rule(name, None, by_need) for name, by_need in BY_NEED.items()}


def _without_values(row: Row, leaves: list) -> list:
    scaled = "alpha" in row.names
    return [x.aval if _is_operand(x, scaled) else x for x in leaves]


def _is_operand(x: Any, scaled: bool) -> bool:
    """Whether a leaf is more than an index or a factor, which say where and how much and stay."""
    if not isinstance(x, jax.Array) or x.dtype.kind in "biu":
        return False
    return x.ndim > 0 or not scaled


class Mark:
    """One tensor that must not be written to before backward.

    Attributes:
        cell: its storage; of a result a weak reference, which may die.
        tensor: the tensor for the text of the error, a weak reference unless it is a view.
        version: what the storage's version has to be.
    """

    __slots__ = ("cell", "tensor", "version", "result", "recorded")

    def __init__(self, tensor: Tensor, result: bool) -> None:
        cell = tensor._cell
        if cell.inference:
            raise RuntimeError(
                "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
                "inference mode in computation tracked by autograd. To work around this, you can make a "
                "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead "
                "of `torch.inference_mode()`."
            )
        self.cell = weakref.ref(cell) if result else cell
        self.tensor = tensor if tensor._is_view_of is not None else weakref.ref(tensor)
        self.version = cell.version - cell.unseen
        self.result = result
        self.recorded = tensor._grad_fn is not None

    def saved(self) -> Tensor | None:
        """The tensor, where it is still there."""
        return self.tensor() if isinstance(self.tensor, weakref.ref) else self.tensor

    def storage(self) -> Any:
        """The storage, or None where nothing holds it any more."""
        return self.cell() if isinstance(self.cell, weakref.ref) else self.cell

    def check(self, node: Any) -> None:
        """Raises torch's error where the tensor was written to; `node` keeps it."""
        cell, tensor = self.storage(), self.saved()
        if self.recorded and not self.result and tensor is not None and tensor._grad_fn is None:
            raise RuntimeError(
                "Trying to use a saved tensor that has been detached in-place, i.e. with .detach_()."
                "This is not supported, please use out-of-place `.detach()` instead"
            )
        if cell is None or cell.version - cell.unseen == self.version:
            return
        held = cell.value if tensor is None else tensor
        origin = ""
        maker = node if self.result else None if tensor is None else tensor.grad_fn
        if maker is not None:
            number = 0 if tensor is None else tensor.output_nr
            origin = f", which is output {number} of {_short(maker)},"
        kind = _dtype.scalar_name(_dtype.from_numpy(cell.value.dtype))
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: [torch.{kind}Tensor {list(held.shape)}]{origin} is at version "
            f"{cell.version - cell.unseen}; expected version {self.version} instead. {_hint()}"
        )


def _short(node: Any) -> str:
    return node.name().removesuffix("0").removesuffix("Backward")


def _hint() -> str:
    if state.anomaly is not None:
        return (
            "Hint: the backtrace further above shows the operation that failed to compute its "
            "gradient. The variable in question was changed in there or anywhere later. Good luck!"
        )
    return (
        "Hint: enable anomaly detection to find the operation that failed to compute its gradient, "
        "with torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def note(node: Any, row: Row, args: tuple, results: list[Tensor]) -> None:
    """Notes what a fresh node keeps, and lets go of what its derivative does not need."""
    rule = RULES.get(row.name)
    if rule is None or state.mutation_allowed:
        return pack(node)
    if rule.nothing:
        node.leaves = _without_values(row, node.leaves)
        return None
    kept = rule.kept(row, args)
    if rule.product:
        _drop(node, row, args, kept)
    for name, x in zip(row.names, args):
        if name not in kept:
            continue
        for one in x if isinstance(x, (tuple, list)) else (x,):
            if isinstance(one, Tensor):
                node.marks.append(Mark(one, False))
    if _RESULT in kept:
        node.marks += [Mark(t, True) for t in results if t._grad_fn is node]
    if _CHOSEN in kept:
        node.marks += [Mark(t, False) for t in results if t._grad_fn is None]
    return pack(node)


def _drop(node: Any, row: Row, args: tuple, kept: frozenset[str]) -> None:
    """Of a product's factors, keeps those that another factor's gradient needs."""
    at, scaled = 0, "alpha" in row.names
    leaves = list(node.leaves)
    for name, kind, x in zip(row.names, row.kinds, args):
        if kind == "static" or (kind == "either" and not hasattr(x, "shape")):
            continue
        if name not in kept and _is_operand(leaves[at], scaled):
            leaves[at] = leaves[at].aval
        at += 1
    node.leaves = leaves


def written(node: Any, target: Tensor) -> None:
    """`node`'s result now stands in `target`, which was written to in place."""
    cell = target._cell
    kept = []
    for mark in node.marks:
        if mark.result:
            mark.cell, mark.tensor = weakref.ref(cell), weakref.ref(target)
            mark.version = cell.version - cell.unseen
        elif mark.cell is cell:
            continue  # torch keeps a copy of what an op is about to overwrite
        kept.append(mark)
    node.marks = kept


# -- hooks on what is kept ----------------------------------------------------------------------------


class _Packed:
    """A kept array that a saved-tensor hook has taken.

    Raises:
        RuntimeError: the hook writes to the tensor that it is given.
    """

    __slots__ = ("held", "unpack", "aval")

    def __init__(self, array: Any, pack: Callable, unpack: Callable) -> None:
        self.aval = array.aval
        self.unpack = unpack
        tensor = wrap(array)
        self.held = pack(tensor)
        if tensor._cell.value is not array:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to "
                "pack hook cannot be modified by in-place operations as this can lead to unexpected "
                "side-effects. Please open an issue if you need to perform in-place operations on the "
                "input to a pack hook."
            )

    def take(self) -> Any:
        """The array again."""
        tensor = self.unpack(self.held)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(tensor).__name__}"
            )
        return tensor._read()


HOOKED = (
    "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair "
    "of hooks is allowed at a time."
)


def packed(array: Any, pack: Callable, unpack: Callable) -> Any:
    """What is kept in the place of an array that `pack` takes."""
    return _Packed(array, pack, unpack)


def is_packed(held: Any) -> bool:
    """Whether a hook has taken what is kept."""
    return type(held) is _Packed


def keeps_result(row: Row) -> bool:
    """Whether the derivative of an op is a function of its result, as torch has it."""
    rule = RULES.get(row.name)
    if rule is None:
        return False
    return _RESULT in (rule.alike or ()) or any(_RESULT in one for one in rule.by_need.values())


def keeps_values(node: Any) -> bool:
    """Whether there is an array among a node's leaves; a number that `mul` is given counts as one."""
    if node.leaves is None or node.row.name == "mul":
        return True
    rule = RULES.get(node.row.name)
    if rule is not None and rule.nothing:
        return False
    return any(isinstance(x, (jax.Array, _Packed)) for x in node.leaves)


def pack(node: Any) -> None:
    """Hands what the node keeps to the innermost saved-tensor hooks, if there are any."""
    if not state.saved_hooks:
        return
    hooks = state.saved_hooks[-1]
    before, state.saved_hooks = state.saved_hooks, ()
    try:
        packed: dict[int, Any] = {}
        for i, x in enumerate(node.leaves):
            if isinstance(x, jax.Array):
                packed[i] = _Packed(x, *hooks)
    finally:
        state.saved_hooks = before
    node.leaves = [packed.get(i, x) for i, x in enumerate(node.leaves)]


def unpacked(node: Any) -> list:
    """The node's leaves as arrays.

    Raises:
        RuntimeError: one of them was written to since.
    """
    for mark in node.marks:
        mark.check(node)
    return [x.take() if type(x) is _Packed else x for x in node.leaves]


def stack() -> list[str]:
    """The lines of the traceback of the op that is being recorded, ours left out."""
    frames = [f for f in traceback.extract_stack() if "/torchcompat/_tensor/" not in f.filename]
    return traceback.format_list(frames)
