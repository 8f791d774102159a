"""`torch.__config__`: how the library was built. There is nothing compiled here but JAX's XLA."""

import jax

from torchcompat.version import RELEASE

__all__ = ["parallel_info", "show"]


def _cxx_flags() -> str:
    """No flags: nothing was compiled."""
    return ""


def show() -> str:
    """A description for people: versions and backend, none of torch's build options."""
    return (
        f"torchcompat for PyTorch {RELEASE}, built with:\n"
        f"  - JAX {jax.__version__}, backend {jax.default_backend()}\n"
    )


def parallel_info() -> str:
    """How work is spread over threads: XLA decides."""
    return f"XLA's own thread pool; {jax.device_count()} {jax.default_backend()} device(s)\n"
