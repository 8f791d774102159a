"""`torch.compiler`: what is asked and told about compilation.

`torchcompat.compile` traces through all that it is given, and where the course depends on values compiles the
modules apart, so decorators that steer torch's compiler return the function they are given.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from torchcompat._absent import fill
from torchcompat._compile import compile
from torchcompat._random import is_staging
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import to_tensor
from torchcompat._tensor._state import state
from torchcompat.utils._pytree import tree_map_only

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "get_default_backend",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "keep_portable_guards_unsafe",
    "keep_tensor_guards_unsafe",
    "list_backends",
    "nested_compile_region",
    "reset",
    "set_default_backend",
    "set_stance",
    "skip_all_guards_unsafe",
    "skip_guard_on_all_nn_modules_unsafe",
    "skip_guard_on_globals_unsafe",
    "skip_guard_on_inbuilt_nn_modules_unsafe",
    "substitute_in_graph",
    "wrap_numpy",
]


def is_compiling() -> bool:
    """Whether `compile` or JAX is tracing this code into a program."""
    return state.capture is not None or is_staging()


def is_dynamo_compiling() -> bool:
    """As `is_compiling`: there is one compiler."""
    return is_compiling()


def is_exporting() -> bool:
    """False: `torch.export` is not available."""
    return False


def disable(
    fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None
) -> Any:
    """Returns the function: `compile` takes what it calls into the one program it makes."""
    return functools.partial(disable, recursive=recursive) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """Returns the function (or list of functions)."""
    return fn


def assume_constant_result(fn: Callable) -> Callable:
    """Returns the function."""
    return fn


def nested_compile_region(fn: Callable | None = None, **options: Any) -> Any:
    """Returns the function, whose body becomes part of the one program."""
    return functools.partial(nested_compile_region, **options) if fn is None else fn


def substitute_in_graph(
    original_fn: Callable,
    *,
    can_constant_fold_through: bool = False,
    skip_signature_check: bool = False,
    is_embedded_type: bool = False,
) -> Callable:
    """A decorator that returns its function: `original_fn` runs as it is."""
    return lambda fn: fn


def reset() -> None:
    """Nothing to do: compiled programs belong to the callables that `compile` returned."""


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of the compilers: XLA alone."""
    return ["xla"]


def get_default_backend() -> str:
    """The name of the compiler."""
    return "xla"


def set_default_backend(backend: str | Callable) -> None:
    """Chooses the compiler.

    Raises:
        NotImplementedError: it is another than XLA.
    """
    if backend not in ("xla", "inductor"):
        raise NotImplementedError(f"torch.compiler.set_default_backend: backend={backend!r}")


@contextlib.contextmanager
def _stance() -> Iterator[None]:
    yield


def set_stance(
    stance: str = "default",
    *,
    skip_guard_eval_unsafe: bool = False,
    force_backend: Any = None,
) -> Any:
    """Sets how compiled functions run; usable as a context.

    Raises:
        NotImplementedError: the stance is another than "default".
    """
    if stance != "default" or force_backend is not None:
        raise NotImplementedError(f"torch.compiler.set_stance: stance={stance!r}")
    return _stance()


def set_enable_guard_collectives(enabled: bool) -> bool:
    """False, the former setting: there is one process.

    Raises:
        NotImplementedError: `enabled` is true.
    """
    if enabled:
        raise NotImplementedError("torch.compiler.set_enable_guard_collectives: enabled=True")
    return False


def cudagraph_mark_step_begin() -> None:
    """Nothing to do: programs never share the memory of their results."""


def wrap_numpy(fn: Callable) -> Callable:
    """`fn`, which works on NumPy arrays, as a function of tensors."""

    @functools.wraps(fn)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree_map_only(Tensor, lambda t: t.numpy(), (args, kwargs))
        return tree_map_only(np.ndarray, to_tensor, fn(*args, **kwargs))

    return wrapped


def _keep(guard_entries: list) -> list[bool]:
    return [True for _ in guard_entries]


# Which of torch's guards are kept. Ours are numbers that a change of the model advances.
keep_portable_guards_unsafe = keep_tensor_guards_unsafe = skip_guard_on_globals_unsafe = _keep
skip_guard_on_inbuilt_nn_modules_unsafe = skip_guard_on_all_nn_modules_unsafe = _keep
skip_all_guards_unsafe = _keep

fill(
    globals(),
    "programs are kept by JAX; set jax_compilation_cache_dir to keep them between processes",
    functions="save_cache_artifacts load_cache_artifacts load_compiled_function",
)
