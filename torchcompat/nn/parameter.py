"""Tensors that a module registers when they are assigned to it: `Parameter` and `Buffer`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor, register_pytree, wrap
from torchcompat._tensor._dispatch import to_tensor
from torchcompat._tensor._tensor import alias

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    Args:
        data: a Tensor, whose storage it shares; or a `jax.Array` or NumPy array. Default: empty.
        requires_grad: whether gradients are recorded, even if made under `no_grad`.
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        source = _tensor_of(data)
        if requires_grad and not (source.dtype.is_floating_point or source.dtype.is_complex):
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        self = Tensor.__new__(cls)
        self._cell, self._layout = source._cell, source._layout
        self._cache, self._seen = source._cache, source._seen
        self._requires_grad = bool(requires_grad)
        return self

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        """`__new__` did it; the base class would take `data` for a size."""

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(wrap(self._read()), self.requires_grad)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple:
        # Arrays are immutable, so `copy.copy` and pickling may go through one form.
        parts = self.data, self.requires_grad, OrderedDict()
        if self.__dict__:
            return _rebuild_parameter_with_state, (*parts, self.__dict__)
        return _rebuild_parameter, parts


register_pytree(Parameter)


def _tensor_of(data: Any) -> Tensor:
    if data is None:
        return wrap(jax.numpy.zeros(0, _dtype.get_default_dtype().numpy))
    if isinstance(data, (jax.Array, np.ndarray)):
        return to_tensor(data)
    if isinstance(data, Tensor):
        return data
    raise AttributeError(f"'{type(data).__name__}' object has no attribute 'detach'")


def _rebuild_parameter(data: Tensor, requires_grad: bool, backward_hooks: Any) -> Parameter:
    """A pickled Parameter."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: Tensor, requires_grad: bool, backward_hooks: Any, state: dict
) -> Parameter:
    """A pickled Parameter that has attributes of its own."""
    parameter = Parameter(data, requires_grad)
    parameter.__dict__.update(state)
    return parameter


class _BufferMeta(type):
    """Any Tensor that carries the mark is a buffer; `Buffer` itself has no instances."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return type.__instancecheck__(cls, instance)


class Buffer(Tensor, metaclass=_BufferMeta):
    """Marks a tensor so that assigning it to a module registers it as a buffer.

    Args:
        data: a Tensor (whose storage is shared), a `jax.Array` or NumPy array. Default: empty.
        persistent: whether it is part of the module's `state_dict`.
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        source = _tensor_of(data)
        tensor = alias(source)
        tensor._requires_grad = source._requires_grad
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor
