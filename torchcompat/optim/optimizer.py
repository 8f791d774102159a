"""`Optimizer`, the base of all optimizers, and hooks on the steps of every one."""

from __future__ import annotations

import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from torchcompat import _dtype
from torchcompat._tensor import Tensor, _grads
from torchcompat._tensor._autograd import no_grad
from torchcompat.nn.modules._attributes import typename
from torchcompat.optim import _checkpoint, _hooks
from torchcompat.optim._hooks import (
    _global_optimizer_post_hooks,
    _global_optimizer_pre_hooks,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torchcompat.optim._hooks import use_grad_for_differentiable as _use_grad_for_differentiable
from torchcompat.utils.hooks import RemovableHandle

__all__ = [
    "Optimizer",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
]
_ALSO = (_global_optimizer_post_hooks, _global_optimizer_pre_hooks, _use_grad_for_differentiable)

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
StateDict: TypeAlias = dict[str, Any]
Args: TypeAlias = tuple[Any, ...]
Kwargs: TypeAlias = dict[str, Any]


class _RequiredParameter:
    """Marks a hyper-parameter that every group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()


class Optimizer:
    """Base of all optimizers: groups of parameters, their options and their state.

    A subclass writes `step`, which may call any operation on the parameters and their gradients.

    Args:
        params: parameters, `(name, parameter)` pairs, or dictionaries that define groups.
        defaults: options that a group has unless it gives its own.

    Attributes:
        param_groups: one dictionary a group: `params`, `param_names` if named, and the options.
        state: what is kept for each parameter, by the parameter itself.

    Raises:
        TypeError: `params` is a Tensor, or something in it is none.
        ValueError: `params` is empty, or a parameter is no leaf or in two groups.
    """

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._fresh_hooks()
        self._patch_step_function()
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {typename(params)}"
            )
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)
        self._warned_capturable_if_run_uncaptured = True

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._fresh_hooks()
        self._patch_step_function()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        groups = []
        for number, group in enumerate(self.param_groups):
            options = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            groups.append(f"Parameter Group {number}\n{''.join(options)}")
        return f"{type(self).__name__} (\n" + "\n".join(groups) + ")"

    # -- steps ---------------------------------------------------------------------------------

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates the parameters from their gradients.

        Args:
            closure: computes the loss and its gradients anew; some optimizers need it.

        Returns:
            What the closure returned, or None without one.
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients.

        Args:
            set_to_none: drop them; otherwise they are filled with zeros.
        """
        for group in self.param_groups:
            for p in group["params"]:
                _grads.forget(p, set_to_none)

    def _optimizer_step_code(self) -> None:
        """Called after each step; a place for tools to hook into."""

    @staticmethod
    def profile_hook_step(func: Callable) -> Callable:
        """A `step` function with the hooks around it."""
        return _hooks.hooked(func)

    @staticmethod
    def _group_tensors_by_device_and_dtype(
        tensorlistlist: list[list], with_indices: bool = False
    ) -> dict[tuple, tuple[list[list], list[int]]]:
        """Parallel lists of tensors, split by the device and dtype of the first list's.

        Args:
            with_indices: tell the places of the tensors as well.
        """
        found: dict[tuple, tuple[list[list], list[int]]] = {}
        for i, tensor in enumerate(tensorlistlist[0]):
            key = tensor.device, tensor.dtype
            lists, places = found.setdefault(key, ([[] for _ in tensorlistlist], []))
            for into, source in zip(lists, tensorlistlist):
                if source:
                    into.append(source[i])
            if with_indices:
                places.append(i)
        return found

    def _patch_step_function(self) -> None:
        kind = type(self)
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{kind.__name__}.zero_grad"
        if not getattr(kind.step, "hooked", False):
            kind.step = self.profile_hook_step(kind.step)  # type: ignore[method-assign]

    # -- groups --------------------------------------------------------------------------------

    @no_grad()
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds a group of parameters; options it does not give are the defaults.

        Args:
            param_group: `params` and any options. It is completed in place.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _take_params(param_group)
        for p in param_group["params"]:
            self._check_param(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        if len(set(param_group["params"])) != len(param_group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                stacklevel=3,
            )
        self._check_against_others(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {typename(p)}"
            )
        if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_against_others(self, group: dict[str, Any]) -> None:
        named = "param_names" in group
        if self.param_groups and named != ("param_names" in self.param_groups[0]):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer"
            )
        known = {id(p) for other in self.param_groups for p in other["params"]}
        if not known.isdisjoint(map(id, group["params"])):
            raise ValueError("some parameters appear in more than one parameter group")

    # -- checkpoints ---------------------------------------------------------------------------

    def state_dict(self) -> StateDict:
        """The state and the groups' options, parameters numbered in the order of the groups."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        result = _checkpoint.packed(self.state, self.param_groups)
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Takes over what `state_dict()` of an optimizer of this kind returned.

        Parameters are matched by their order. Tensors of the right type and device are not copied.

        Raises:
            ValueError: the groups do not match in number or length.
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        self.__setstate__(_checkpoint.unpacked(self, state_dict))
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    @staticmethod
    def _process_value_according_to_param_policy(
        param: Tensor, value: Tensor, param_id: Any, param_groups: list[dict], key: Any = None
    ) -> Tensor:
        return _checkpoint.for_param(param, value, param_id, param_groups, key)

    # -- hooks ---------------------------------------------------------------------------------

    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def _fresh_hooks(self) -> None:
        for name in _hooks.DICTIONARIES:
            self.__dict__.setdefault(name, OrderedDict())

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Has `hook(optimizer, args, kwargs)` called before each step; it may return new ones."""
        return _hooks.register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Has `hook(optimizer, args, kwargs)` called after each step."""
        return _hooks.register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Has `hook(optimizer)` called before `state_dict` does its work."""
        return _hooks.register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Has `hook(optimizer, state_dict)` called on the result; it may return another."""
        return _hooks.register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Has `hook(optimizer, state_dict)` called before loading; it may return another."""
        return _hooks.register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Has `hook(optimizer)` called after loading."""
        return _hooks.register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _take_params(group: dict[str, Any]) -> None:
    """Makes `params` a list of tensors, with `param_names` beside it if they came named."""
    params = group["params"]
    if isinstance(params, Tensor):
        group["params"] = [params]
        return
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    given = list(params)
    names = [one[0] for one in given if isinstance(one, tuple)]
    group["params"] = [one[1] if isinstance(one, tuple) else one for one in given]
    if not names:
        return
    if len(names) != len(given):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    group["param_names"] = names


# What optimizers written by others import from this module.


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """The devices whose steps `capturable=True` may record; torch's own list."""
    return ["cuda", "xpu", "hpu", "privateuseone", *(["xla"] if supports_xla else [])]


def _get_value(x: Any) -> Any:
    """A 0-d tensor's number; anything else unchanged."""
    return x.item() if isinstance(x, Tensor) else x


def _stack_if_compiling(x: list) -> Any:
    return x


def _get_scalar_dtype(is_fused: bool | None = None) -> _dtype.dtype:
    """The dtype of step numbers."""
    if is_fused or _dtype.get_default_dtype() is not _dtype.float64:
        return _dtype.float32
    return _dtype.float64


def _to_scalar(x: Any) -> Any:
    """A one-element tensor as a 0-d one; numbers unchanged."""
    return x.squeeze() if isinstance(x, Tensor) and x.dim() != 0 else x


def _view_as_real(params: list, *state_and_grads: list) -> None:
    """Replaces complex tensors in the lists by views of real ones."""
    for i, p in enumerate(params):
        if not p.is_complex():
            continue
        params[i] = p.view_as_real()
        for one in state_and_grads:
            one[i] = one[i].view_as_real()


def _default_to_fused_or_foreach(
    params: list, differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Which implementation torch would choose; here all parameters are updated in one program."""
    return False, False
