"""The Tensor: a mutable box around one `jax.Array`, with torch's identity, aliasing and gradient flags.

Operators and most methods are attached from the op registry (`_faces.py`) and from the modules beside
this one; here is what a tensor *is*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from torchcompat import _device, _dtype, _layout, _strided
from torchcompat._layout import Layout
from torchcompat._tensor import _grads
from torchcompat._tensor._cell import Cell, Silent, detached, traced_here
from torchcompat._tensor._state import epoch, state


class Size(tuple):
    """The shape of a tensor: a tuple of ints that prints as torch's."""

    __slots__ = ()

    def __new__(cls, sizes: Any = ()) -> Size:
        """Of any whole numbers, 0-d tensors among them.

        Raises:
            TypeError: something else is among them.
        """
        given = tuple.__new__(cls, sizes)
        for position, n in enumerate(given):
            if isinstance(n, (bool, Tensor)):
                return cls(int(n) if isinstance(n, (bool, Tensor)) else n for n in given)
            if type(n) is not int and not hasattr(n, "__index__"):
                raise TypeError(
                    f"torch.Size() takes an iterable of 'int' (item {position} is "
                    f"'{type(n).__name__}')"
                )
        return given

    def __repr__(self) -> str:
        return f"torch.Size([{', '.join(map(str, self))}])"

    def numel(self) -> int:
        """Number of elements of a tensor of this size."""
        return math.prod(self)

    def __getitem__(self, index: Any) -> Any:
        item = tuple.__getitem__(self, index)
        return Size(item) if isinstance(index, slice) else item

    def __add__(self, other: tuple) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    def __radd__(self, other: tuple) -> Size:
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times: Any) -> Size:
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self) -> tuple:
        return Size, (tuple(self),)


if TYPE_CHECKING:

    class _Open(type):
        """Its neighbours attach methods to Tensor."""

        def __getattr__(cls, name: str) -> Any: ...
        def __setattr__(cls, name: str, value: Any) -> None: ...

else:
    _Open = type


# The modes in which a view's place in the graph is not recorded.
UNRECORDED = frozenset(("no_grad", "inference"))


class Tensor(metaclass=_Open):
    """A multi-dimensional array with torch's semantics, held by JAX.

    A tensor is a `Cell` (the storage, shared by all its aliases) and a layout over it (None when the
    tensor is the whole storage in order). Reading an alias whose storage changed re-reads it.
    Of a leaf, `_end` is a weak reference to the node that stands for it in the recorded graph.
    """

    __slots__ = (
        "_cell",
        "_layout",
        "_cache",
        "_seen",
        "_requires_grad",
        "_grad",
        "_grad_fn",
        "_output_nr",
        "_is_view_of",
        "_graph_version",
        "_end",
        "_closed",
        "__dict__",
        "__weakref__",
    )
    __array_priority__ = 1000

    _cell: Cell
    _layout: Layout | None
    _requires_grad: bool
    _grad: Tensor | None
    _grad_fn: Any
    _output_nr: int
    _is_view_of: Tensor | None
    _graph_version: int | None
    _end: Any
    # Why a view must not be written to: `several`, `custom`, or, as nothing recorded it, a mode.
    _closed: str | None
    _cache: Any
    _seen: Any
    # Made by `.data`: autograd does not see the writes through it, which it counts by itself.
    _silent: Silent | None = None

    if TYPE_CHECKING:  # what the registry and the modules beside this one attach

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __len__(self) -> int: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...
        def __neg__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __lshift__(self, other: Any) -> Tensor: ...
        def __rshift__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...

    # -- storage -------------------------------------------------------------------------------

    def _read(self) -> jax.Array:
        """The tensor's value, from its storage."""
        cell = self._cell
        capture = state.capture
        if capture is not None:
            capture.met(self)
        value = cell.value
        if self._layout is None:
            return value
        if self._seen is not value:
            part = _read_layout(value, self._layout)
            if traced_here(part, value):
                return part
            self._cache, self._seen = part, value
            if capture is not None:
                capture.cached(self)
        return self._cache

    def _write(self, value: jax.Array, uniform: bool = False) -> None:
        """Writes `value` (of this tensor's shape and dtype) to the storage: every alias sees it."""
        if state.capture is not None:
            state.capture.met(self)
        self._count_unseen()
        if self._layout is None:
            self._cell.write(value)
            return
        if not uniform:
            check_writable(self._layout)
        with jax.enable_x64(True):
            self._cell.write(_strided.write(self._cell.value, value, self._layout))

    def _layout_now(self) -> Layout:
        return self._layout or _layout.contiguous(tuple(self._cell.value.shape))

    # -- what it is ----------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The tensor's dimensions."""
        held = self._cell.value.shape if self._layout is None else self._layout[0]
        return tuple.__new__(Size, held)

    @property
    def dtype(self) -> _dtype.dtype:
        """The type of the elements."""
        return _dtype.from_numpy(self._cell.value.dtype)

    @property
    def device(self) -> _device.device:
        """Where the storage lives."""
        return _device.of_array(self._cell.value)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self._cell.value.shape if self._layout is None else self._layout[0])

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each (or one) dimension, in elements."""
        strides = self._layout_now()[1]
        return strides if dim is None else strides[dim]

    def storage_offset(self) -> int:
        """Where the first element lies in the storage, in elements."""
        return self._layout_now()[2]

    @property
    def _version(self) -> int:
        cell = self._cell
        if cell.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        ahead = self.__dict__.get("_version_ahead", 0)
        silent = self._silent
        return ahead + (cell.version - cell.unseen if silent is None else silent.writes)

    def _count_unseen(self) -> None:
        """Before a write: counts it apart if it goes through `.data`."""
        if self._silent is not None:
            self._cell.unseen += 1
            self._silent.writes += 1

    # -- autograd flags ------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded for gradients."""
        if self._graph_version is not None:
            if self._closed in UNRECORDED:
                return self._requires_grad or self._is_view_of._requires_grad  # type: ignore[union-attr]
            self._renew()
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.grad_fn is not None:
            if value:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables."
                + (
                    ""
                    if value
                    else " If you want to use a computed variable in a subgraph that doesn't require"
                    " differentiation use var_no_grad = var.detach()."
                )
            )
        if value and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )
        if value and self._cell.inference and not state.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed."
            )
        if self._requires_grad != bool(value):
            self._requires_grad = bool(value)
            epoch.advance()

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` in place."""
        if requires_grad and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> Tensor | None:
        """The accumulated gradient, or None."""
        if state.capture is not None:
            state.capture.slot(self)
        if self._grad is None and self._requires_grad and self._grad_fn is not None:
            _grads.warn_of_non_leaf(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            _grads.check(self, value)
        if state.capture is not None:
            state.capture.slot(self, replacing=True)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def grad_fn(self) -> Any:
        """The recorded operation that made this tensor, or None for a leaf."""
        if self._graph_version is not None:
            self._renew()
        return self._grad_fn

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded operation made."""
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        return self._output_nr

    @property
    def _base(self) -> Tensor | None:
        return self._is_view_of

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._cell.inference

    def _is_view(self) -> bool:
        return self._is_view_of is not None

    @property
    def data(self) -> Tensor:
        """The same storage without gradient history; assigning makes this tensor alias another's."""
        twin = alias(self)
        twin._silent = Silent()
        return twin

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        if self._requires_grad and not (other.dtype.is_floating_point or other.dtype.is_complex):
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex "
                "dtype"
            )
        before = 0 if self._cell.inference else self._version
        self._cell, self._layout = other._cell, other._layout
        self._cache, self._seen = other._cache, other._seen
        ahead = before - (self._cell.version - self._cell.unseen)
        if ahead:
            self.__dict__["_version_ahead"] = ahead
        epoch.advance()

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")

    # -- guest of JAX and NumPy ----------------------------------------------------------------

    def __jax_array__(self) -> jax.Array:
        return self._read()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = np.asarray(self._read())
        if dtype is not None:
            array = array.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if getattr(self._cell, "how", None) == "conj":
            raise BufferError("Can't export tensors with the conjugate bit set")
        return self._read().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple:
        return self._read().__dlpack_device__()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return id(self)


# Told of each tensor that is more than a Tensor when it is made.
on_subclass: list[Callable[[Tensor], None]] = []


def blank(kind: type = Tensor) -> Any:
    """A tensor of a class that has no storage yet: the caller gives it one."""
    self: Any = object.__new__(kind)
    self._layout = None
    self._requires_grad = False
    self._grad = self._grad_fn = self._cache = self._seen = self._is_view_of = None
    self._graph_version = self._end = self._closed = None
    self._output_nr = 0
    if kind is not Tensor:
        for tell in on_subclass:
            tell(self)
    return self


def check_writable(layout: _layout.Layout) -> None:
    """Raises torch's error for a write to a view some of whose elements are one."""
    if _layout.overlaps_itself(layout):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory location. Please clone() the tensor before performing the operation."
        )


def _read_layout(value: Any, layout: _layout.Layout) -> Any:
    if isinstance(value, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(layout[0], value.dtype)
    with jax.enable_x64(True):
        return _strided.read(value, layout)


def wrap(value: Any) -> Tensor:
    """A new tensor that owns `value` (an array already of torch's type)."""
    self = blank()
    self._cell = Cell(value)
    return self


def from_cell(
    cell: Cell, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0
) -> Tensor:
    """A tensor over an existing storage.

    Args:
        size, stride, offset: the layout, in elements.
    """
    self = blank()
    self._cell = cell
    layout = tuple(size), tuple(stride), offset
    shape = tuple(cell.value.shape)
    self._layout = None if shape == layout[0] and layout == _layout.contiguous(shape) else layout
    return self


def alias(tensor: Tensor) -> Tensor:
    """A plain tensor over the same storage and layout, with no history (`detach`, `.data`)."""
    self = blank()
    self._cell, self._layout = detached(tensor._cell), tensor._layout
    if self._cell is tensor._cell:
        self._cache, self._seen = tensor._cache, tensor._seen
    return self


def is_traced(x: Any) -> bool:
    """Whether `x` is a Tensor whose value JAX is tracing."""
    return isinstance(x, Tensor) and isinstance(x._cell.value, jax.core.Tracer)


def as_array(x: Any) -> Any:
    """The array in a Tensor; anything else unchanged."""
    return x._read() if isinstance(x, Tensor) else x


def _flatten(tensor: Tensor) -> tuple[tuple, bool]:
    return (tensor._read(),), tensor._requires_grad


def _unflatten(kind: type, requires_grad: bool, children: tuple) -> Tensor:
    self = blank(kind)
    self._cell = Cell(children[0])
    self._requires_grad = requires_grad
    return self


def register_pytree(kind: type) -> None:
    """Makes a Tensor class a JAX pytree node with one leaf, its array."""
    jax.tree_util.register_pytree_with_keys(
        kind,
        lambda t: (((jax.tree_util.GetAttrKey("data"), t._read()),), t._requires_grad),
        lambda aux, children: _unflatten(kind, aux, children),
        _flatten,
    )


register_pytree(Tensor)
