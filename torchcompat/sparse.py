"""`torch.sparse`: names for imports; jax.experimental.sparse has sparse arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torchcompat._absent import fill

fill(
    globals(),
    "tensors are dense here",
    classes="""SparseSemiStructuredTensor SparseSemiStructuredTensorCUTLASS
    SparseSemiStructuredTensorCUSPARSELT""",
    functions="""addmm mm sum softmax log_softmax to_sparse_semi_structured as_sparse_gradcheck spdiags
    sampled_addmm""",
)


class check_sparse_tensor_invariants:
    """The switch for checks of sparse tensors, of which there are none; a context and a decorator.

    Args:
        enable: what the switch is set to inside.
    """

    _enabled = False

    def __init__(self, enable: bool = True) -> None:
        self._inside = enable

    @classmethod
    def is_enabled(cls) -> bool:
        """What the switch is set to."""
        return check_sparse_tensor_invariants._enabled

    @classmethod
    def enable(cls) -> None:
        """Sets the switch."""
        check_sparse_tensor_invariants._enabled = True

    @classmethod
    def disable(cls) -> None:
        """Sets the switch back."""
        check_sparse_tensor_invariants._enabled = False

    def __enter__(self) -> None:
        self._former = self.is_enabled()
        check_sparse_tensor_invariants._enabled = self._inside

    def __exit__(self, *exc: object) -> None:
        check_sparse_tensor_invariants._enabled = self._former

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self._inside):
                return function(*args, **kwargs)

        return inner
