"""What needs torch's own dispatcher or Triton."""

from typing import TYPE_CHECKING, Any

from torchcompat._absent import fill


def fallthrough_kernel() -> None:
    """The mark of "no kernel under this key"; never called.

    Raises:
        NotImplementedError: it is called.
    """
    raise NotImplementedError("fallthrough_kernel() should never be called.")


fill(
    globals(),
    "kernels are JAX's: jax.experimental.pallas writes Triton",
    functions="triton_op wrap_triton capture_triton get_kernel opcheck",
)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
