"""State of torch's optimizers to and from Optax, by parameter name.

    torch                                    Optax
    SGD: momentum_buffer                     TraceState.trace
    Adam, AdamW: step, exp_avg, exp_avg_sq   ScaleByAdamState.count, mu, nu

Optax is never imported: an Optax state is known by its fields. Its parameters may be a dictionary by
torch's names or nested as Flax has them; a leaf's path, joined by dots, is its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from converters._objects import from_torch
from torchcompat._tensor import Tensor, wrap

# fields of an Optax state -> the names of torch's tensors for those that are trees of parameters
_KNOWN: dict[tuple[str, ...], dict[str, str]] = {
    ("count", "mu", "nu"): {"mu": "exp_avg", "nu": "exp_avg_sq"},
    ("trace",): {"trace": "momentum_buffer"},
    ("count",): {},
    (): {},
}
_PLAIN = {"exp_avg", "exp_avg_sq", "step", "momentum_buffer"}


def to_optax(optimizer: Any, opt_state: Any, names: Any = None) -> Any:
    """An Optax state with the averages, momenta and step number of a torch optimizer.

    Args:
        optimizer: an optimizer of torch or torchcompat, or its `state_dict`: SGD, Adam or AdamW.
        opt_state: what `init(params)` of the matching Optax transformation returned: `sgd` with
            momentum, `adam` or `adamw`. It is not changed.
        names: the parameters' names in the optimizer's order, or the module they belong to. Default:
            the optimizer's own, where it was made of named parameters.

    Raises:
        ValueError: there are no names, a parameter has no counterpart, or the parameters' step
            numbers differ, of which Optax has one.
        NotImplementedError: either state holds something that has no counterpart in the other.

    Example:
        >>> opt_state = to_optax(optimizer, optax.adam(1e-3).init(params), model)
    """
    held = _by_name(_state_dict(optimizer), names)
    unknown = sorted({key for one in held.values() for key in one} - _PLAIN)
    if unknown:
        raise NotImplementedError(f"to_optax: {unknown[0]} has no counterpart in Optax")
    step = _common_step(held)

    def filled(part: Any) -> Any:
        changed: dict[str, Any] = {}
        for field, key in _fields(part, "to_optax").items():
            changed[field] = _mapped(getattr(part, field), partial(_new, held, key))
        if step is not None and "count" in part._fields:
            changed["count"] = jnp.asarray(step, part.count.dtype)
        return part._replace(**changed)

    return _each_part(filled, opt_state)


def from_optax(opt_state: Any, optimizer: Any, names: Any = None) -> dict[str, Any]:
    """The `state_dict` of a torch optimizer that goes on where an Optax one stopped.

    Args:
        opt_state: the state of Optax's `sgd` with momentum, `adam` or `adamw`.
        optimizer: the optimizer that will take it (or its `state_dict`), for its groups' options.
        names: as in `to_optax`.

    Returns:
        What `load_state_dict` of torchcompat's optimizer takes; for torch's, `to_torch` of it.

    Raises:
        ValueError: there are no names, or a parameter has no counterpart.
        NotImplementedError: the Optax state holds something that torch's has no place for.

    Example:
        >>> optimizer.load_state_dict(from_optax(opt_state, optimizer, model))
    """
    template = _state_dict(optimizer)
    order = _names(template, names)
    state: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(order))}

    def taken(part: Any) -> Any:
        fields = _fields(part, "from_optax")
        if fields and "count" in part._fields:
            for one in state.values():
                one["step"] = wrap(jnp.asarray(part.count, jnp.float32))
        for field, key in fields.items():
            leaves = _leaves(getattr(part, field))
            for i, name in enumerate(order):
                if name not in leaves:
                    raise ValueError(f"from_optax: no parameter {name!r} in the Optax state")
                state[i][key] = wrap(leaves[name])
        return part

    _each_part(taken, opt_state)
    filled = {i: one for i, one in state.items() if one}
    return {"state": filled, "param_groups": template["param_groups"]}


# -- torch's side ----------------------------------------------------------------------------------


def _state_dict(optimizer: Any) -> dict[str, Any]:
    state = optimizer if isinstance(optimizer, dict) else optimizer.state_dict()
    return from_torch(state)


def _names(state: dict[str, Any], names: Any) -> list[str]:
    """The parameters' names, by their numbers in the state dict."""
    count = sum(len(group["params"]) for group in state["param_groups"])
    if names is None:
        if not all("param_names" in group for group in state["param_groups"]):
            raise ValueError(
                "the optimizer was not made of named parameters: give names= or the module"
            )
        found = [name for group in state["param_groups"] for name in group["param_names"]]
    elif hasattr(names, "named_parameters"):
        found = [name for name, _ in names.named_parameters()]
    else:
        found = list(names)
    if len(found) != count:
        raise ValueError(f"{len(found)} names for {count} parameters")
    return found


def _by_name(state: dict[str, Any], names: Any) -> dict[str, dict[str, Any]]:
    order = _names(state, names)
    return {
        name: {k: v for k, v in state["state"].get(i, {}).items() if v is not None}
        for i, name in enumerate(order)
    }


def _common_step(held: dict[str, dict[str, Any]]) -> int | None:
    steps = {int(float(one["step"])) for one in held.values() if "step" in one}
    if len(steps) > 1:
        raise ValueError(f"the parameters have made different numbers of steps: {sorted(steps)}")
    return steps.pop() if steps else None


def _new(held: dict[str, dict[str, Any]], key: str, name: str, old: Any) -> Any:
    """The array for a leaf; a parameter that has not been updated yet keeps Optax's zeros."""
    if name not in held:
        raise ValueError(f"to_optax: no parameter {name!r} in the optimizer")
    value = held[name].get(key)
    if value is None:
        return old
    array = np.asarray(value.detach()) if isinstance(value, Tensor) else np.asarray(value)
    if array.shape != old.shape:
        raise ValueError(f"to_optax: {name}: shape {old.shape} expected, got {array.shape}")
    return jnp.asarray(array, old.dtype)


# -- Optax's side ----------------------------------------------------------------------------------


def _is_part(x: Any) -> bool:
    return isinstance(x, tuple) and hasattr(x, "_fields")


def _each_part(function: Callable[[Any], Any], opt_state: Any) -> Any:
    """`function` of every transformation's state in a chain."""
    if _is_part(opt_state):
        return function(opt_state)
    if isinstance(opt_state, (tuple, list)):
        return type(opt_state)(_each_part(function, part) for part in opt_state)
    raise NotImplementedError(f"an Optax state of type {type(opt_state).__name__}")


def _fields(part: Any, title: str) -> dict[str, str]:
    found = _KNOWN.get(part._fields)
    if found is None:
        raise NotImplementedError(f"{title}: {type(part).__name__} has no counterpart in torch")
    return found


def _name(path: Iterable[Any]) -> str:
    """A leaf's name: the keys to it, without the box that Flax puts around a value."""
    keys = [getattr(k, "key", getattr(k, "idx", getattr(k, "name", None))) for k in path]
    return ".".join(str(key) for key in keys if key not in ("value", "raw_value", "data"))


def _mapped(tree: Any, function: Callable[[str, Any], Any]) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, x: function(_name(path), x), tree)


def _leaves(tree: Any) -> dict[str, Any]:
    return {_name(path): x for path, x in jax.tree_util.tree_flatten_with_path(tree)[0]}
