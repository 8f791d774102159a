"""Errors of accelerators."""


class AcceleratorError(RuntimeError):
    """An error of an accelerator."""

    error_code = 0


class OutOfMemoryError(RuntimeError):
    """Memory of a device ran out. JAX raises its own `XlaRuntimeError`, which code may catch instead."""
