"""What a tensor tells of itself: sizes, types, flags, and its values for Python and NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype, _memory_format
from torchcompat._ops._common import wrap_dim
from torchcompat._tensor import ops
from torchcompat._tensor._bits import turned
from torchcompat._tensor._dispatch import ARRAYS
from torchcompat._tensor._place import put
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, alias, wrap

__all__ = [
    "is_complex",
    "is_floating_point",
    "is_nonzero",
    "is_same_size",
    "is_signed",
    "is_tensor",
    "numel",
]


# -- sizes and types -----------------------------------------------------------------------------


def _size(self: Tensor, dim: int | None = None) -> Any:
    """The size, or the size of one dimension."""
    return self.shape if dim is None else self.shape[wrap_dim(dim, self.ndim)]


def _stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours along each (or one) dimension, in elements."""
    strides = self._layout_now()[1]
    return strides if dim is None else strides[wrap_dim(dim, len(strides))]


def _numel(self: Tensor) -> int:
    """The number of elements."""
    return math.prod(self._cell.value.shape if self._layout is None else self._layout[0])


Tensor.size = _size
Tensor.stride = _stride
Tensor.numel = Tensor.nelement = _numel
Tensor.dim = Tensor.ndimension = lambda self: self.ndim
Tensor.element_size = lambda self: self.dtype.itemsize
Tensor.itemsize = property(lambda self: self.dtype.itemsize, doc="Bytes of one element.")
Tensor.nbytes = property(
    lambda self: _numel(self) * self.dtype.itemsize, doc="Bytes of all elements."
)
Tensor.layout = property(lambda self: _memory_format.strided, doc="`torch.strided`.")

# Flags of kinds of tensor that do not exist here.
_NEVER = (
    "is_sparse",
    "is_sparse_csr",
    "is_quantized",
    "is_mkldnn",
    "is_nested",
    "is_xpu",
    "is_mps",
    "is_xla",
    "is_ipu",
    "is_hpu",
    "is_mtia",
    "is_vulkan",
    "is_maia",
)
for _name in _NEVER:
    setattr(Tensor, _name, property(lambda self: False, doc="Always false."))
for _name in ("is_pinned", "is_shared", "is_distributed"):
    setattr(Tensor, _name, lambda self: False)


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def _of_tensor(name: str, method: Any) -> Any:
    """A function of one tensor or array, from a method."""

    def function(input: Any) -> Any:
        if isinstance(input, ARRAYS):
            input = wrap(input)
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, not "
                f"{type(input).__name__}"
            )
        return method(input)

    function.__name__, function.__doc__ = name, method.__doc__
    return function


def _is_floating_point(self: Tensor) -> bool:
    """Whether the elements are of a floating-point type."""
    return self.dtype.is_floating_point


def _is_complex(self: Tensor) -> bool:
    """Whether the elements are of a complex type."""
    return self.dtype.is_complex


def _is_signed(self: Tensor) -> bool:
    """Whether the elements are of a type that has negative values."""
    return self.dtype.is_signed


Tensor.is_floating_point = _is_floating_point
Tensor.is_complex = _is_complex
Tensor.is_signed = _is_signed
is_floating_point = _of_tensor("is_floating_point", _is_floating_point)
is_complex = _of_tensor("is_complex", _is_complex)
is_signed = _of_tensor("is_signed", _is_signed)
numel = _of_tensor("numel", _numel)


def is_same_size(input: Any, other: Any) -> bool:
    """Whether two tensors have one size."""
    return tuple(input.shape) == tuple(other.shape)


Tensor.is_same_size = is_same_size


# -- values --------------------------------------------------------------------------------------


def _host(self: Tensor) -> np.ndarray:
    """The values on the host.

    Raises:
        RuntimeError: the tensor has no data.
    """
    value = self._read()
    if isinstance(value, jax.ShapeDtypeStruct):
        raise RuntimeError("Tensor.item() cannot be called on meta tensors")
    return np.asarray(value)


def item(self: Tensor) -> Any:
    """The value of a tensor with one element, as a Python number."""
    if _numel(self) != 1:
        raise RuntimeError(f"a Tensor with {_numel(self)} elements cannot be converted to Scalar")
    if isinstance(value := self._read(), jax.core.Tracer):
        # JAX's own error says what to do about a traced value.
        return value.reshape(()).item()
    return _host(self).item()


def _truth(self: Tensor) -> bool:
    n = _numel(self)
    if n != 1:
        what = "no values" if n == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    value = self._read()
    return bool(value.reshape(())) if isinstance(value, jax.core.Tracer) else bool(item(self))


def _number(kind: type) -> Any:
    def convert(self: Tensor) -> Any:
        if _numel(self) != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        value = self._read()
        if isinstance(value, jax.core.Tracer):
            return kind(value.reshape(()))
        value = item(self)
        if isinstance(value, complex) and kind is not complex:
            name = "double" if kind is float else "int64_t"
            raise RuntimeError(f"value cannot be converted to type {name} without overflow")
        return kind(value)

    return convert


def _index(self: Tensor) -> int:
    kind = self.dtype
    if _numel(self) != 1 or kind.is_floating_point or kind.is_complex:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


def tolist(self: Tensor) -> Any:
    """The values as nested lists of Python numbers; a 0-d tensor as one number."""
    if self.is_meta:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    return _host(self).tolist()


def refuse_turned(tensor: Tensor) -> None:
    """Raises torch's error for NumPy's access to a tensor that is seen as conjugates or negated."""
    how = turned(tensor)
    if how:
        name = "conjugate" if how == "conj" else "negative"
        raise RuntimeError(
            f"Can't call numpy() on Tensor that has {name} bit set. Use tensor.resolve_{how}().numpy() "
            "instead."
        )


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The values as a NumPy array that cannot be written to (JAX arrays never change).

    Args:
        force: detach first where gradients are recorded.
    """
    if self.is_meta:
        raise TypeError(
            "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )
    if state.grad_enabled and self.requires_grad and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if not force:
        refuse_turned(self)
    if self.dtype.numpy.kind == "V":
        raise TypeError(f"Got unsupported ScalarType {_dtype.scalar_name(self.dtype)}")
    return _host(self)


def _array_wrap(
    self: Tensor, array: np.ndarray, context: Any = None, return_scalar: bool = False
) -> Tensor:
    """What NumPy's own functions give for tensors: tensors, truth values as uint8."""
    return put(np.asarray(array).astype(np.uint8) if array.dtype == np.bool_ else np.asarray(array))


def apply_(self: Tensor, callable: Any) -> Tensor:
    """Replaces each element by a Python function of it. Slow; on the host only."""
    return self.copy_(_mapped(callable, self))


def map_(self: Tensor, tensor: Tensor, callable: Any) -> Tensor:
    """Replaces each element by a Python function of it and that of another tensor. Slow."""
    return self.copy_(_mapped(callable, self, tensor))


def _mapped(function: Any, *tensors: Tensor) -> Tensor:
    values = [function(*each) for each in zip(*(_host(t).reshape(-1).tolist() for t in tensors))]
    first = tensors[0]
    return put(np.array(values, first.dtype.numpy).reshape(first.shape))


Tensor.__array_wrap__ = _array_wrap
Tensor.apply_ = apply_
Tensor.map_ = map_
Tensor.item = item
Tensor.tolist = tolist
Tensor.numpy = numpy
Tensor.__bool__ = Tensor.is_nonzero = _truth
Tensor.__int__ = _number(int)
Tensor.__float__ = _number(float)
Tensor.__complex__ = _number(complex)
Tensor.__index__ = _index
is_nonzero = _of_tensor("is_nonzero", _truth)


# -- as a sequence -------------------------------------------------------------------------------


def _length(self: Tensor) -> int:
    if not self.ndim:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


def _iterate(self: Tensor) -> Iterator[Tensor]:
    if not self.dim():
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


def _contains(self: Tensor, element: Any) -> bool:
    if not isinstance(element, (Tensor, bool, int, float, complex)):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )
    return bool((element == self).any().item())  # type: ignore[attr-defined]


def _reversed(self: Tensor) -> Tensor:
    return ops.flip(self, (0,)) if self.ndim else self


Tensor.__len__ = _length
Tensor.__iter__ = _iterate
Tensor.__contains__ = _contains
Tensor.__reversed__ = _reversed


# -- the graph -----------------------------------------------------------------------------------


def detach(self: Tensor) -> Tensor:
    """The same storage, outside of the graph."""
    return alias(self)


def detach_(self: Tensor) -> Tensor:
    """Takes the tensor out of the graph."""
    if self._is_view_of is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using "
            ""
            "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
            "True, "
            "gradients are views of DDP buckets, and hence detach_() cannot be called on these "
            "gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
            "torch/optim/optimizer.py as the solution."
        )
    self._grad_fn, self._output_nr, self._requires_grad = None, 0, False
    return self


Tensor.detach = detach
Tensor.detach_ = detach_
