"""`FlaxModule`: a module in torch clothes whose values are those of a Flax model."""

from __future__ import annotations

import copy
from itertools import permutations
from typing import Any, Self

from torchcompat import nn
from torchcompat._tensor import Tensor
from torchcompat._tensor._tensor import blank

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Holder(nn.Module):
    """Names children and parameters of a Flax model; runs nothing of its own."""

    def __getitem__(self, index: Any) -> Any:
        """A child by its place in a Flax list or `Sequential`, or by its name in a dict."""
        names = list(self._modules)
        if isinstance(index, int) and index < 0:
            index += 1 + max((int(name) for name in names), default=-1)
        if str(index) not in names:
            raise (IndexError if isinstance(index, int) else KeyError)(index)
        return self._modules[str(index)]

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        """Conversions of values (`half()`, `to(...)`) write through to the Flax model."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        for tensor in (*self._parameters.values(), *self._buffers.values()):
            if tensor is not None:
                tensor._cell.value = fn(tensor.detach())._read()
                if tensor.grad is not None:
                    tensor.grad = fn(tensor.grad.detach())
        self._clock().advance()
        return self

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list,
        unexpected_keys: list,
        error_msgs: list,
    ) -> None:
        if local_metadata.get("assign_to_params_buffers"):
            raise NotImplementedError(
                "load_state_dict(assign=True): the values of a wrapped Flax model are the model's own"
            )
        state_dict = self._one_bias(state_dict, prefix)
        for name, tensor in (*self._parameters.items(), *self._buffers.items()):
            given = state_dict.get(prefix + name)
            order = None if tensor is None or given is None else transposition(given, tensor)
            if order is not None:
                error_msgs.append(
                    f"{prefix}{name}: the given shape {tuple(given.shape)} fits only when transposed "
                    f"by {order} to {tuple(tensor.shape)}; transpose it if that is what it means"
                )
        lists = (missing_keys, unexpected_keys, error_msgs)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, *lists)

    def _one_bias(self, state_dict: Any, prefix: str) -> Any:
        """A cell's two biases added up into the one that Flax has, where that means the same."""
        for name, tensor in self._parameters.items():
            zeros = getattr(getattr(tensor, "_cell", None), "zeros", 0)
            other = "bias_hh" if name == "bias_ih" else "bias_ih"
            both = [state_dict.get(prefix + key) for key in (name, other)]
            if not zeros or any(x is None or x.shape != tensor.shape for x in both):
                continue
            extra, kept = (nn.Parameter(x, requires_grad=False).detach().clone() for x in both)
            # torch's third gate of a GRU multiplies its hidden bias: it cannot move to the other.
            free = min(zeros, len(extra) * 2 // 3) if self._get_name() == "GRUCell" else zeros
            if extra[:free].any():
                kept[:free] += extra[:free]
                extra[:free] = 0
                state_dict = dict(state_dict) | {prefix + name: extra, prefix + other: kept}
        return state_dict


class FlaxModule(Holder):
    """One module of a Flax model.

    Attributes:
        flax_module: the Flax module itself; it shares its values with this one.
    """

    def __init__(self, flax_module: Any) -> None:
        super().__init__()
        self.__dict__["flax_module"] = flax_module

    def _get_name(self) -> str:
        return type(self.flax_module).__name__

    def train(self, mode: bool = True) -> Self:
        """Sets the mode here and below, and what Flax's layers keep of it."""
        for name, value in (("deterministic", not mode), ("use_running_average", not mode)):
            if hasattr(self.flax_module, name):
                setattr(self.flax_module, name, value)
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the Flax module; its inputs and results keep Flax's layout, features last."""
        from converters._flax._run import run

        return run(self, args, kwargs)

    def __deepcopy__(self, memo: dict) -> FlaxModule:
        from converters._flax._wrap import wrap

        return self._copied(wrap(copy.deepcopy(self.flax_module)), memo)

    def _copied(self, fresh: Any, memo: dict) -> Any:
        """`fresh` with the modes, hooks and flags of this one."""
        memo[id(self)] = fresh
        for old, new in zip(self.modules(), fresh.modules()):
            new.training = old.training
            for name in _HOOKS:
                getattr(new, name).update(getattr(old, name))
        for old, new in zip(self.parameters(), fresh.parameters()):
            new.requires_grad_(old.requires_grad)
        return fresh


class StackedModule(FlaxModule):
    """One of the layers that a lifted transform (`nnx.vmap`, `linen.scan`) has stacked in one module."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: the Flax model has no such module to call."""
        raise NotImplementedError(
            "one of several layers stacked by a lifted transform (vmap, scan) cannot be called alone; "
            "call the module above them"
        )


def buffer(cell: Any) -> Tensor:
    """A tensor on this storage."""
    tensor = blank()
    tensor._cell = cell
    return tensor


def parameter(cell: Any, trainable: bool = True) -> nn.Parameter:
    """A parameter on this storage; only floating point ones can be trainable."""
    made = buffer(cell)
    return nn.Parameter(made, trainable and made.dtype.is_floating_point)


def transposition(given: Any, tensor: Tensor) -> tuple[int, ...] | None:
    """The order of axes in which `given` would fit, if it does not fit as it is."""
    shape, wanted = tuple(given.shape), tuple(tensor.shape)
    if shape == wanted or sorted(shape) != sorted(wanted) or len(shape) > 6:
        return None
    orders = permutations(range(len(shape)))
    return next(o for o in orders if tuple(shape[i] for i in o) == wanted)
