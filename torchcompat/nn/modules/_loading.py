"""Reading a `state_dict` into a module."""

from __future__ import annotations

import itertools
import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from typing import Any

import jax

from torchcompat.__future__ import get_swap_module_params_on_conversion
from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._dispatch import ARRAYS, to_tensor
from torchcompat._tensor._faces import write
from torchcompat._tensor._swapping import swap_tensors
from torchcompat.nn.modules._rollback import Snapshot
from torchcompat.nn.modules._state_dict import EXTRA_STATE, Saving
from torchcompat.nn.parameter import Parameter, is_lazy


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` did not find and did not use."""

    __slots__ = ()

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class Loading(Saving):
    """`load_state_dict` and what it is made of."""

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copies the values in `state_dict` into the parameters and buffers of the same names.

        Unlike in torch, a load that raises changes no parameter or buffer.

        Args:
            state_dict: names to Tensors, `jax.Array`s or NumPy arrays.
            strict: whether the names must be exactly those of this module's `state_dict()`.
            assign: make the given tensors the module's own, with their dtype and device, instead
                of copying into the present ones.

        Returns:
            A named tuple of `missing_keys` and `unexpected_keys`.

        Raises:
            RuntimeError: names (under `strict`) or sizes differ, or a value is not a tensor; the
                text lists all of them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        snapshot = Snapshot(self)
        try:
            return self._load_all(_own_copy(state_dict), strict, assign)
        except BaseException:
            snapshot.restore()
            raise

    def _load_all(self, state_dict: Any, strict: bool, assign: bool) -> _IncompatibleKeys:
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []
        _Load(strict, assign, missing, unexpected, errors).into(self, state_dict, "")
        if strict:
            errors[:0] = _key_errors(missing, unexpected)
        if errors:
            report = "\n\t".join(errors)
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{report}"
            )
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Reads this module's own members, not those of its children.

        Args:
            state_dict: the names under `prefix` at least.
            local_metadata: what `state_dict()` noted of this module.
            missing_keys, unexpected_keys, error_msgs: lists to add to.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        members = self._persistent_members()
        for name, member in members.items():
            key = prefix + name
            if key in state_dict:
                error = self._load_member(name, key, member, state_dict[key], assign)
                if error:
                    error_msgs.append(error)
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys)
        if strict:
            known = self._modules.keys(), members.keys()
            unexpected_keys += (key for key in state_dict if _is_unexpected(key, prefix, *known))

    def _persistent_members(self) -> dict[str, Tensor]:
        kept = (
            (name, buffer)
            for name, buffer in self._buffers.items()
            if name not in self._non_persistent_buffers_set
        )
        both = itertools.chain(self._parameters.items(), kept)
        return {name: member for name, member in both if member is not None}

    def _load_member(
        self, name: str, key: str, member: Tensor, given: Any, assign: bool
    ) -> str | None:
        """Takes one value in; returns what is wrong with it, if anything."""
        if not isinstance(given, (Tensor, *ARRAYS)):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
                f"object from checkpoint but received {type(given)}"
            )
        try:
            value = to_tensor(given)
            if member.ndim == 0 and value.ndim == 1 and len(value.shape) == 1:
                value = value[0]  # torch before 0.4 had no 0-d tensors
            if is_lazy(member) and is_lazy(value):
                return None
            if not is_lazy(member) and value.shape != member.shape:
                return (
                    f"size mismatch for {key}: copying a param with shape {value.shape} from "
                    f"checkpoint, the shape in current model is {member.shape}."
                )
            if not assign and _on_meta(member) and not _on_meta(value):
                warnings.warn(_ONTO_META.format(key))
            if get_swap_module_params_on_conversion():
                with no_grad():
                    _swap(member, value, assign)
            elif assign:
                setattr(self, name, _assignable(member, value))
            else:
                _copy(member, value)
        except Exception as error:
            return (
                f'While copying the parameter named "{key}", whose dimensions in the model are '
                f"{member.shape} and whose dimensions in the checkpoint are {given.shape}, "
                f"an exception occurred : {error.args}."
            )
        return None

    def _load_extra_state(
        self, state_dict: Any, prefix: str, strict: bool, missing: list, unexpected: list
    ) -> None:
        key = prefix + EXTRA_STATE
        if type(self).set_extra_state is not Saving.set_extra_state:
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing.append(key)
        elif strict and key in state_dict:
            unexpected.append(key)


class _Load:
    """One load: its options and the lists it fills, carried down the tree."""

    def __init__(self, strict: bool, assign: bool, *lists: list[str]) -> None:
        self.strict = strict
        self.assign = assign
        self.lists = lists

    def into(self, module: Any, state_dict: Any, prefix: str) -> None:
        """Loads `module` and, with the names under theirs, its children; then runs its hooks."""
        metadata = getattr(state_dict, "_metadata", None)
        local = {} if metadata is None else metadata.get(prefix[:-1], {})
        if self.assign:
            local["assign_to_params_buffers"] = True
        module._load_from_state_dict(state_dict, prefix, local, True, *self.lists)
        for name, child in module._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                part = OrderedDict((k, v) for k, v in state_dict.items() if k.startswith(path))
                part._metadata = metadata  # type: ignore[attr-defined]
                self.into(child, part, path)
        incompatible = _IncompatibleKeys(*self.lists[:2])
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, incompatible) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected "
                    "to return new values, if incompatible_keys need to be modified, it should be "
                    "done inplace."
                )


def _own_copy(state_dict: Any) -> Any:
    """A copy that hooks may change, with the metadata."""
    copied = OrderedDict(state_dict)
    metadata = getattr(state_dict, "_metadata", None)
    if metadata is not None:
        copied._metadata = metadata  # type: ignore[attr-defined]
    return copied


def _is_unexpected(key: str, prefix: str, modules: Any, members: Any) -> bool:
    """Whether a module with these children and members has no use for `key`."""
    if not key.startswith(prefix) or key == prefix + EXTRA_STATE:
        return False
    first, *rest = key[len(prefix) :].split(".", 1)
    return first not in (modules if rest else members)


def _key_errors(missing: list[str], unexpected: list[str]) -> list[str]:
    lines = (("Missing", missing), ("Unexpected", unexpected))
    quoted = [(title, ", ".join(f'"{key}"' for key in keys)) for title, keys in lines if keys]
    return [f"{title} key(s) in state_dict: {keys}. " for title, keys in quoted]


def _swap(member: Tensor, value: Tensor, assign: bool) -> None:
    """Makes `member` what it makes of `value`: `module_load` is there for subclasses to override."""
    requires_grad, is_parameter = member.requires_grad, isinstance(member, Parameter)
    loaded = member.module_load(value, assign=assign)
    if loaded is member or loaded is value:
        raise RuntimeError(
            "module_load returned one of self or other, please .detach() the result if returning "
            "one of the inputs in module_load"
        )
    if is_parameter and not isinstance(loaded, Parameter):
        loaded = Parameter(loaded, requires_grad=requires_grad)
    swap_tensors(member, loaded)


def _assignable(member: Tensor, value: Tensor) -> Tensor:
    """What takes the place of `member` under `assign=True`."""
    if not isinstance(member, Parameter):
        return value
    if isinstance(value, Parameter):
        return value.requires_grad_(member.requires_grad)
    return Parameter(value, requires_grad=member.requires_grad)


_ONTO_META = (
    "for {}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current "
    "model, which is a no-op. (Did you mean to pass `assign=True` to assign items in the state "
    "dictionary to their corresponding key in the module instead of copying them in place?)"
)


def _on_meta(tensor: Tensor) -> bool:
    return isinstance(tensor._cell.value, jax.ShapeDtypeStruct)


def _copy(member: Tensor, value: Tensor) -> None:
    """Writes `value` into `member`, which keeps its dtype, device and sharding."""
    if _on_meta(member):
        return
    if _on_meta(value):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    with no_grad():
        write(member, _placed_as(member, value._read()))


def _placed_as(member: Tensor, array: jax.Array) -> jax.Array:
    held = member._cell.value
    traced = isinstance(held, jax.core.Tracer) or isinstance(array, jax.core.Tracer)
    if traced or member._layout is not None or array.sharding == held.sharding:
        return array
    return jax.device_put(array, held.sharding)
