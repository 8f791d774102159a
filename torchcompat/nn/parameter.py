"""Tensors that a module registers when they are assigned to it: `Parameter` and `Buffer`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import jax
import numpy as np

from torchcompat import _device, _dtype
from torchcompat._overrides import answers
from torchcompat._tensor import Size, Tensor, register_pytree, wrap
from torchcompat._tensor._convert import convert
from torchcompat._tensor._convert import to as convert_to
from torchcompat._tensor._copying import attributes_of
from torchcompat._tensor._dispatch import to_tensor
from torchcompat._tensor._subclassing import disabled
from torchcompat._tensor._tensor import alias, blank

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
]


class _ParameterMeta(type):
    """A tensor of a subclass that was made a parameter is one as well."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Parameter
            and isinstance(instance, Tensor)
            and getattr(instance, "_is_param", False)
        )


class Parameter(Tensor, metaclass=_ParameterMeta):  # type: ignore[metaclass]
    """A tensor that becomes a parameter of the module it is assigned to.

    Args:
        data: a Tensor, whose storage it shares; or a `jax.Array` or NumPy array. Default: empty.
        requires_grad: whether gradients are recorded, even if made under `no_grad`.
    """

    __slots__ = ()
    __torch_function__ = disabled

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        if answers(type(data)):
            return _as_parameter(data, requires_grad)
        source = _tensor_of(data)
        if requires_grad and not (source.dtype.is_floating_point or source.dtype.is_complex):
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        self = blank(cls)
        self._cell, self._layout = source._cell, source._layout
        self._cache, self._seen = source._cache, source._seen
        self._requires_grad = bool(requires_grad)
        return self

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __str__(self) -> str:
        return repr(self)

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(wrap(self._read()), self.requires_grad)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple:
        # Arrays are immutable, so `copy.copy` and pickling may go through one form.
        parts: tuple = self.data, self.requires_grad, OrderedDict()
        state = attributes_of(self)
        if state:
            return _rebuild_parameter_with_state, (*parts, state)
        return _rebuild_parameter, parts


register_pytree(Parameter)


def _as_parameter(data: Any, requires_grad: bool) -> Any:
    """A tensor of a subclass as a parameter: it keeps its class.

    Raises:
        RuntimeError: its `detach` gives something else.
    """
    made = data.detach().requires_grad_(requires_grad)
    if type(made) is not type(data):
        raise RuntimeError(
            f"Creating a Parameter from an instance of type {type(data).__name__} requires that "
            "detach() returns an instance of the same type, but return type "
            f"{type(made).__name__} was found instead. To use the type as a Parameter, please correct "
            "the detach() semantics defined by its __torch_dispatch__() implementation."
        )
    made._is_param = True
    return made


def _tensor_of(data: Any) -> Tensor:
    if data is None:
        return _empty(0, None)
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


class Buffer(Tensor, metaclass=_BufferMeta):  # type: ignore[metaclass]
    """Marks a tensor so that assigning it to a module registers it as a buffer.

    Args:
        data: a Tensor (whose storage is shared), a `jax.Array` or NumPy array. Default: empty.
        persistent: whether it is part of the module's `state_dict`.
    """

    __slots__ = ()
    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Tensor:  # type: ignore[misc]
        source = _tensor_of(data)
        tensor: Any = alias(source)
        tensor._requires_grad = source._requires_grad
        tensor.persistent = persistent
        tensor._is_buffer = True
        return tensor


class UninitializedTensorMixin(Tensor):
    """A tensor whose size is not known yet: it has a dtype and a device, but no values."""

    __slots__ = ()
    __torch_function__ = disabled
    _becomes: type

    def materialize(
        self, shape: Any, device: Any = None, dtype: _dtype.dtype | None = None
    ) -> None:
        """Becomes an ordinary parameter or buffer of this size, its values not set."""
        where = self.device if device is None else _device.device(device)
        self.data = convert(_empty(shape, dtype or self.dtype), None, where)
        self.__class__ = self._becomes

    @property
    def shape(self) -> Size:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def share_memory_(self) -> None:
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def _read(self) -> Any:
        raise ValueError(
            "Attempted to use an uninitialized parameter. This error happens when you are using a "
            f"`LazyModule` or explicitly manipulating `torch.nn.parameter.{type(self).__name__}` "
            "objects. When using LazyModules Call `forward` with a dummy batch to initialize the "
            "parameters before calling torch functions"
        )

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """The tensor with another dtype or on another device, still without values."""
        return convert_to(self.data, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __str__(self) -> str:
        return repr(self)

    def __deepcopy__(self, memo: dict) -> Any:
        if id(self) not in memo:
            memo[id(self)] = type(self)(*self._options())
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), self._options()

    def _options(self) -> tuple:
        return self.requires_grad, self.device, self.dtype


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[metaclass]
    """A parameter whose size is set later, by `materialize`."""

    __slots__ = ()
    _becomes = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return super().__new__(cls, _empty_on(device, dtype), requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose size is set later, by `materialize`."""

    __slots__ = ()
    _becomes = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        self: Any = blank(cls)
        self._cell = _empty_on(device, dtype)._cell
        self._requires_grad = requires_grad
        self.persistent, self._is_buffer = persistent, True
        return self

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """The buffer with another dtype or on another device, its size still to be set."""
        moved = super().to(*args, **kwargs)
        return type(self)(self._requires_grad, moved.device, moved.dtype, self.persistent)


def is_lazy(x: Any) -> bool:
    """Whether `x` is a parameter or buffer whose size is not known yet."""
    return isinstance(x, UninitializedTensorMixin)


def _empty(shape: Any, dtype: _dtype.dtype | None) -> Tensor:
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    return to_tensor(np.zeros(size, (dtype or _dtype.get_default_dtype()).numpy))


def _empty_on(device: Any, dtype: _dtype.dtype | None) -> Tensor:
    where = _device.get_default_device() if device is None else _device.device(device)
    return convert(_empty(0, dtype), None, where)
