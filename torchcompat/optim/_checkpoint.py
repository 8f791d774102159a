"""`state_dict` and `load_state_dict` of optimizers: torch's structure, so that files go both ways."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import deepcopy
from itertools import chain
from typing import Any

from torchcompat import _dtype
from torchcompat._tensor import Tensor


def packed(state: dict, param_groups: list[dict]) -> dict[str, Any]:
    """The state and groups with numbers in place of parameters."""
    numbers: dict[int, int] = {}
    for p in chain(*(group["params"] for group in param_groups)):
        numbers.setdefault(id(p), len(numbers))
    groups = []
    for group in param_groups:
        one = {name: value for name, value in group.items() if name != "params"}
        one["params"] = [numbers[id(p)] for p in group["params"]]
        groups.append(one)
    named = {numbers[id(k)] if isinstance(k, Tensor) else k: value for k, value in state.items()}
    return {"state": named, "param_groups": groups}


def unpacked(optimizer: Any, state_dict: dict[str, Any]) -> dict[str, Any]:
    """`state` and `param_groups` of `optimizer` as a state dict has them.

    Raises:
        ValueError: the groups do not match in number or length.
    """
    groups, saved = optimizer.param_groups, deepcopy(state_dict["param_groups"])
    if len(groups) != len(saved):
        raise ValueError("loaded state dict has a different number of parameter groups")
    if any(len(own["params"]) != len(one["params"]) for own, one in zip(groups, saved)):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size of "
            "optimizer's group"
        )
    params = dict(
        zip(
            chain(*(one["params"] for one in saved)),
            chain(*(own["params"] for own in groups)),
        )
    )
    state: defaultdict[Any, Any] = defaultdict(dict)
    for key, value in state_dict["state"].items():
        if key in params:
            state[params[key]] = _adapted(optimizer, params[key], value, key, saved)
        else:
            state[key] = value
    return {"state": state, "param_groups": [_joined(o, s) for o, s in zip(groups, saved)]}


def _joined(own: dict, saved: dict) -> dict:
    if "param_names" in own and "param_names" not in saved:
        saved["param_names"] = own["param_names"]
    saved["params"] = own["params"]
    return saved


def _adapted(
    optimizer: Any, param: Tensor, value: Any, number: Any, groups: list, key: Any = None
) -> Any:
    """A parameter's saved state, its tensors in the parameter's dtype and on its device."""
    if isinstance(value, Tensor):
        return optimizer._process_value_according_to_param_policy(param, value, number, groups, key)
    if isinstance(value, dict):
        return {k: _adapted(optimizer, param, v, number, groups, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_adapted(optimizer, param, v, number, groups) for v in value)  # type: ignore[call-arg]
    return value


def for_param(param: Tensor, value: Tensor, number: Any, groups: list[dict], key: Any) -> Tensor:
    """One saved tensor as `param` needs it; step numbers keep their own type."""
    if key == "step":
        group = next((one for one in groups if number in one["params"]), {})
        if group.get("capturable") or group.get("fused"):
            return value.to(dtype=_dtype.float32, device=param.device)
        return value
    if param.dtype.is_floating_point:
        return value.to(dtype=param.dtype, device=param.device)
    return value.to(device=param.device)
