"""`torch.cuda.jiterator`: CUDA kernels from C++ text, which JAX does not compile."""

from __future__ import annotations

from torchcompat._absent import absent_function

__all__: list[str] = []


def _create_jit_fn(code_string: str, **kwargs: object) -> object:
    """Makes a function that refuses to be called."""
    return absent_function(__name__, "jiterated_fn", "CUDA kernels from C++ text")


_create_multi_output_jit_fn = _create_jit_fn
