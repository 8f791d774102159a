"""Scripting: decorators that return what they are given, and what needs TorchScript itself, refused."""

from __future__ import annotations

import contextlib
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from torchcompat._absent import absent_class, absent_function
from torchcompat.futures import Future
from torchcompat.nn.modules.module import Module

_NO_SCRIPT = "torchcompat has no TorchScript; torch.compile makes one program of a module"


class ScriptModule(Module):
    """A Module: TorchScript would compile its `script_method`s, which stay Python here."""


class RecursiveScriptModule(ScriptModule):
    """What torch's `script(module)` returns; no module here is one."""

    def __init__(self, cpp_module: Any = None) -> None:
        raise NotImplementedError(f"torch.jit.RecursiveScriptModule: {_NO_SCRIPT}")


class TopLevelTracedModule(ScriptModule):
    """What torch's `trace(module)` returns; no module here is one."""

    def __init__(self, *args: Any) -> None:
        raise NotImplementedError(f"torch.jit.TopLevelTracedModule: {_NO_SCRIPT}")


TracedModule = TopLevelTracedModule
ScriptFunction = absent_class("torchcompat.jit", "ScriptFunction", _NO_SCRIPT)
RecursiveScriptClass = absent_class("torchcompat.jit", "RecursiveScriptClass", _NO_SCRIPT)
CompilationUnit = absent_class("torchcompat.jit", "CompilationUnit", _NO_SCRIPT)
Attribute = namedtuple("Attribute", ["value", "type"])


class Error(RuntimeError):
    """An error raised by TorchScript code."""


class ScriptWarning(Warning):
    """A warning about scripting."""


class TracerWarning(Warning):
    """A warning about tracing."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Nothing: no such warnings are given here."""


class TracingCheckError(Exception):
    """A trace that disagrees with the function it was made of."""


def script(
    obj: Any,
    optimize: Any = None,
    _frames_up: int = 0,
    _rcb: Any = None,
    example_inputs: Any = None,
) -> Any:
    """Returns `obj`: functions, modules and classes run as the Python they are."""
    return obj


def script_method(fn: Callable) -> Callable:
    """Returns the method."""
    return fn


def script_if_tracing(fn: Callable) -> Callable:
    """Returns the function: nothing is traced by TorchScript."""
    return fn


_script_if_tracing = script_if_tracing


def interface(obj: type) -> type:
    """Returns the class."""
    return obj


def is_tracing() -> bool:
    """False: `torch.jit.trace` is not available. See `torch.compiler.is_compiling`."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """Returns `the_value`."""
    return the_value


def _unwrap_optional(x: Any) -> Any:
    """Returns `x`.

    Raises:
        AssertionError: it is None.
    """
    if x is None:
        raise AssertionError("Unwrapping null optional")
    return x


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """Runs `func` at once, as torch does outside of TorchScript; returns the Future of its result."""
    future: Future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future) -> Any:
    """The result of `fork`."""
    return future.wait()


def set_fusion_strategy(strategy: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Sets the strategy, which nothing reads (XLA fuses by its own); returns the former one."""
    former = list(_strategy)
    _strategy[:] = strategy
    return former


_strategy: list[tuple[str, int]] = [("STATIC", 2), ("DYNAMIC", 10)]


@contextlib.contextmanager
def fuser(name: str) -> Iterator[None]:
    """A context that changes nothing: XLA fuses by its own.

    Raises:
        Exception: torch knows no fuser of that name.
    """
    if name not in ("fuser0", "fuser1", "fuser2", "fuser3"):
        raise Exception(f"unrecognized fuser option (name: {name})")
    yield


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """A context that changes nothing."""
    yield


class strict_fusion:
    """A context that changes nothing outside of TorchScript, as in torch."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


class _IgnoreContextManager:
    """A context that changes nothing outside of TorchScript, as in torch."""

    def __init__(self, **kwargs: Any) -> None:
        return None

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


def enable_onednn_fusion(enabled: bool) -> None:
    """Turns oneDNN's fusion of scripted graphs on.

    Raises:
        NotImplementedError: `enabled` is true.
    """
    if enabled:
        raise NotImplementedError(f"torch.jit.enable_onednn_fusion(True): {_NO_SCRIPT}")


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


_REFUSED = """trace trace_module load save freeze optimize_for_inference run_frozen_optimizations
export_opnames"""
for _name in _REFUSED.split():
    globals()[_name] = absent_function("torchcompat.jit", _name, _NO_SCRIPT)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
