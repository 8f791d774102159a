"""`torch.cond`: one of two functions, chosen by a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from torchcompat._higher_order_ops._regions import (
    Region,
    tensor_leaves,
    trained_outside,
)
from torchcompat._ops._registry import LIST, TRACED, Row
from torchcompat._tensor import Tensor, is_traced
from torchcompat._tensor._dispatch import call
from torchcompat._tensor._state import state
from torchcompat.utils._pytree import TreeSpec, tree_unflatten

__all__ = ["cond"]


def cond(
    pred: bool | int | float | Tensor,
    true_fn: Callable,
    false_fn: Callable,
    operands: tuple | list = (),
) -> Any:
    """`true_fn(*operands)` if `pred`, else `false_fn(*operands)`.

    Where `pred` is known, the function is called. Under `compile` both become branches of the
    program (`lax.cond`) and must return tensors of the same shapes and dtypes.

    Args:
        operands: Tensors, nested in tuples, lists and dicts.

    Raises:
        RuntimeError: an argument of another kind, or branches that differ in what they return.
    """
    if isinstance(pred, (bool, int, float)):
        return (true_fn if pred else false_fn)(*operands)
    _check(pred, true_fn, false_fn)
    tensors, spec = tensor_leaves(
        operands,
        "Expect operands to be a tuple of possibly nested dict/list/tuple that only consists of "
        "tensor leaves",
    )
    if not is_traced(pred):
        return (true_fn if pred else false_fn)(*operands)
    return _branches(pred.reshape(()), true_fn, false_fn, operands, tensors, spec)


def _check(pred: Any, true_fn: Any, false_fn: Any) -> None:
    if not isinstance(pred, Tensor):
        raise RuntimeError(f"Expected pred to be bool or tensor, but got {pred}.")
    if pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    if not callable(true_fn) or not callable(false_fn):
        raise RuntimeError("Expect both branches to be callable.")


def _branches(
    pred: Tensor,
    true_fn: Callable,
    false_fn: Callable,
    operands: tuple | list,
    tensors: list[Tensor],
    spec: TreeSpec,
) -> Any:
    functions = [true_fn, false_fn]
    closures = trained_outside("torch.cond", functions, operands) if state.grad_enabled else []
    chosen, other = [Region("torch.cond", one, spec, closures) for one in functions]
    row = Row(
        name="cond",
        fn=lambda pred, arrays: jax.lax.cond(pred != 0, chosen, other, arrays),
        names=("pred", "operands"),
        kinds=(TRACED, LIST),
        grad_name="CondAutogradBackward",
    )
    try:
        results = call(row, (pred, [*tensors, *closures]))
    except TypeError as error:
        raise RuntimeError(f"torch.cond: the branches' results differ: {error}") from error
    if chosen.result != other.result:
        raise RuntimeError(
            f"torch.cond: the branches' results nest as {chosen.result} and {other.result}"
        )
    assert chosen.result is not None
    return tree_unflatten(list(results), chosen.result)
