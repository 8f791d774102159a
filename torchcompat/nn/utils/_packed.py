"""`PackedSequence`: sequences of different lengths without padding.

Under `jax.jit` its batch sizes are static, since they are shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor, as_array, ops
from torchcompat._tensor._dispatch import ARRAYS, lifted
from torchcompat._tensor._place import put


def known(name: str, x: Any) -> np.ndarray:
    """The values of `x`.

    Raises:
        NotImplementedError: JAX is tracing them.
    """
    array = as_array(x)
    if isinstance(array, jax.core.Tracer):
        raise NotImplementedError(
            f"packed sequences: {name} is traced by JAX, but its values decide shapes; give it as "
            "a list of numbers"
        )
    return np.asarray(array)


@lifted
def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes `permutation`."""
    if permutation is None:
        return None
    array = permutation._read()
    if isinstance(array, (jax.core.Tracer, jax.ShapeDtypeStruct)):
        return ops.argsort(permutation)
    return put(np.argsort(np.asarray(array)).astype(np.int64), permutation.device)


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences of different lengths, step after step, the longest first; what RNNs take.

    Made by `pack_sequence` and `pack_padded_sequence`, not by hand.

    Attributes:
        data: the elements: first those of step 0 of every sequence, then those of step 1, ...
        batch_sizes: how many sequences have an element at each step; int64, on the CPU.
        sorted_indices: which of the original sequences comes where; None if they were sorted.
        unsorted_indices: the inverse of that.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if isinstance(batch_sizes, Tensor) and batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def __reduce__(self) -> tuple:
        return PackedSequence, tuple(self)

    # -- what tracing and modules see: the parts are data, the batch sizes are static -------------

    @property
    def _static(self) -> tuple[int, ...]:
        """The batch sizes as numbers."""
        sizes = self.__dict__.get("_sizes")
        if sizes is None:
            found = known("batch_sizes", self.batch_sizes).tolist()
            sizes = self.__dict__["_sizes"] = tuple(found)
        return sizes

    @property
    def _parts(self) -> tuple:
        return self.data, self.sorted_indices, self.unsorted_indices

    def _with_parts(self, parts: Sequence[Any]) -> PackedSequence:
        return packed(self._static, parts, self.batch_sizes)

    def _with_data(self, data: Any) -> PackedSequence:
        return self._with_parts((data, *self._parts[1:]))

    # -- type and place ----------------------------------------------------------------------------

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """With `data` of another type or on another device; itself where nothing changes."""
        if "copy" in kwargs:
            raise RuntimeError(".to() does not accept copy argument")
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return self._with_data(data)._moved(lambda x: x.to(data.device))

    def _moved(self, move: Callable) -> PackedSequence:
        return self._with_parts([None if x is None else move(x) for x in self._parts])

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a GPU (default: the first)."""
        return self._moved(lambda x: x.cuda(*args, **kwargs))

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the CPU."""
        return self.to(*args, **{"device": "cpu"} | kwargs)

    def pin_memory(self) -> PackedSequence:
        """In page-locked memory."""
        return self._moved(lambda x: x.pin_memory())

    @property
    def is_cuda(self) -> bool:
        """Whether `data` is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether `data` is in page-locked memory."""
        return self.data.is_pinned()


def _cast(name: str, kind: _dtype.dtype) -> Callable:
    def method(self: PackedSequence) -> PackedSequence:
        return self.to(dtype=kind)

    method.__name__, method.__qualname__ = name, f"PackedSequence.{name}"
    method.__doc__ = f"With `data` as {kind.name}."
    return method


_CASTS = {
    "double": "float64",
    "float": "float32",
    "half": "float16",
    "long": "int64",
    "int": "int32",
    "short": "int16",
    "char": "int8",
    "byte": "uint8",
}
for _name, _kind in _CASTS.items():
    setattr(PackedSequence, _name, _cast(_name, _dtype.BY_NAME[_kind]))


def packed(sizes: tuple[int, ...], parts: Sequence[Any], batch_sizes: Any = None) -> PackedSequence:
    """A packed sequence of known batch sizes.

    Args:
        parts: data, sorted_indices and unsorted_indices.
        batch_sizes: an array of `sizes`, if there is one already. Beside a Tensor the sizes are
            kept as a Tensor, beside an array as a NumPy array, which nobody traces.
    """
    data = parts[0]
    if isinstance(data, Tensor):
        if not isinstance(batch_sizes, Tensor):
            batch_sizes = put(np.array(sizes, np.int64))
    elif isinstance(data, ARRAYS) or batch_sizes is None:
        batch_sizes = np.array(sizes, np.int64)
    made = _Fields.__new__(PackedSequence, data, batch_sizes, *parts[1:])
    made.__dict__["_sizes"] = sizes
    return made


jax.tree_util.register_pytree_node(
    PackedSequence,
    lambda sequence: (sequence._parts, sequence._static),
    packed,
)
