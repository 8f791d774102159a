"""`torch.while_loop`: a loop as long as a function of its values holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from torchcompat._higher_order_ops._regions import Region
from torchcompat._ops._registry import LIST, Row
from torchcompat._tensor import Tensor, is_traced
from torchcompat._tensor._dispatch import call
from torchcompat._tensor._factory import tensor
from torchcompat._tensor._state import state
from torchcompat.utils._pytree import tree_flatten, tree_unflatten

__all__ = ["while_loop"]


def while_loop(cond_fn: Callable, body_fn: Callable, carried_inputs: tuple | list) -> Any:
    """Applies `body_fn` to the carried values as long as `cond_fn(*carried)` is true.

    Where the condition is known, this is a Python loop. Under `compile` it is `lax.while_loop`: the
    values keep their shapes and dtypes, and nothing in it can be differentiated.

    Args:
        carried_inputs: Tensors (or numbers), nested; `body_fn` returns as many.

    Raises:
        NotImplementedError: under `compile`, a carried tensor requires a gradient.
    """
    if not callable(cond_fn) or not callable(body_fn):
        raise RuntimeError("Expect cond_fn and body_fn to be callable.")
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeError(
            f"Expect carried_inputs to be a tuple or list, but got {type(carried_inputs)}."
        )
    carried: Any = tuple(carried_inputs)
    while not is_traced(going := cond_fn(*carried)):
        if not going:
            return carried
        result = body_fn(*carried)
        carried = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    return _loop(cond_fn, body_fn, carried)


def _loop(cond_fn: Callable, body_fn: Callable, carried: tuple) -> Any:
    leaves, spec = tree_flatten(carried)
    tensors = [x if isinstance(x, Tensor) else tensor(x) for x in leaves]
    if state.grad_enabled and any(x.requires_grad for x in tensors):
        raise NotImplementedError("while_loop: carried_inputs that require grad under compile")
    holds, step = [Region("while_loop", one, spec, []) for one in (cond_fn, body_fn)]
    row = Row(
        name="while_loop",
        fn=lambda arrays: jax.lax.while_loop(lambda x: holds(x)[0].reshape(()) != 0, step, arrays),
        names=("carried_inputs",),
        kinds=(LIST,),
        differentiable=False,
        grad_name="",
    )
    return tree_unflatten(list(call(row, (tensors,))), spec)
