"""The storage behind tensors: one mutable box around one immutable `jax.Array`."""

from __future__ import annotations

from typing import Any

import jax

from torchcompat._tensor._state import serial, state


class Cell:
    """A storage. Every tensor that aliases it holds the same cell.

    Attributes:
        value: the array; its row-major order is the storage's element order. On the `meta` device
            a `jax.ShapeDtypeStruct`.
        version: how many in-place writes it has seen.
        serial: its place in the order of creation.
    """

    __slots__ = ("value", "version", "serial", "__weakref__")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.version = 0
        self.serial = serial()
        if state.capture is not None:
            state.capture.made(self)

    def write(self, value: Any) -> None:
        """Replaces the array: an in-place write.

        Raises:
            RuntimeError: the write would leave a tracer behind in a tensor that outlives the trace.
        """
        leaving = isinstance(value, jax.core.Tracer) and not isinstance(self.value, jax.core.Tracer)
        if leaving and state.capture is None:
            raise RuntimeError(
                "in-place write to a tensor from outside of the function that JAX is tracing; "
                "pass the module or tensor as an argument, or use torchcompat.compile"
            )
        self.value = value
        self.version += 1
