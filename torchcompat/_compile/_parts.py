"""Graph breaks: a function whose course depends on values runs as it is, its modules compiled apart.

There is no one XLA program of such a function. Each module that it calls becomes a program, or, where
the module's own course depends on values or its call shares more with its caller than arguments and
results, is run as it is in turn, down to the modules that can be compiled.
"""

from __future__ import annotations

import enum
import traceback
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from torchcompat import _device, _dtype, _memory_format
from torchcompat._compile._tree import Same, is_data
from torchcompat._ops._checks import UnknownValueError
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import map_nested
from torchcompat._tensor._state import state
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter

# What is raised where a value is asked for that is being traced.
CAUSES = (
    UnknownValueError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
# As many modules are kept compiled, the last used ones.
_MOST_PARTS = 4096
_HARMLESS = (
    *(bool, int, float, complex, str, bytes, slice, range, np.generic, np.dtype, type, enum.Enum),
    *(
        types.NoneType,
        types.FunctionType,
        types.BuiltinFunctionType,
        types.ModuleType,
        Parameter,
        Module,
    ),
    *(_dtype.dtype, _device.device, _memory_format.memory_format),
)
_OURS = str(Path(__file__).parents[1])


class NotAlone(BaseException):
    """A module's call shares objects or memory with its caller. No `Exception`: nobody may catch it."""


class Parts:
    """What calls the modules of a function that cannot be one program.

    Args:
        whole: the function; a module is not one of its own parts.
        make: compiles a module.
    """

    def __init__(self, whole: Callable, make: Callable[[Module], Callable]) -> None:
        self._whole = whole
        self._make = make
        self._made: OrderedDict[int, Callable] = OrderedDict()

    def run(self, args: tuple, kwargs: dict) -> Any:
        """Runs the function, with each module that it calls compiled."""
        before, state.parts = state.parts, self
        try:
            return self._whole(*args, **kwargs)
        finally:
            state.parts = before

    def __call__(self, module: Module, args: tuple, kwargs: dict) -> Any:
        if module is self._whole or _is_watched():
            return module._call_impl(*args, **kwargs)
        made = self._made.get(id(module))
        if made is None:
            made = self._made[id(module)] = self._make(module)
        self._made.move_to_end(id(module))
        while len(self._made) > _MOST_PARTS:
            self._made.popitem(last=False)
        return made(*args, **kwargs)


def _is_watched() -> bool:
    """Whether somebody looks at each op, which a program would hide from them."""
    return bool(
        state.capture is not None
        or state.transforms
        or state.forward is not None
        or state.saved_hooks
        or state.override_modes
    )


def takes_data(tree: Any) -> bool:
    """Whether the described arguments are numbers, arrays and settings: no objects of the user's."""
    if isinstance(tree, Same):
        return isinstance(tree.value, _HARMLESS)
    return not isinstance(tree, tuple) or all(map(takes_data, tree))


def alone(module: Module) -> Callable:
    """The module's call, which raises `NotAlone` where it is traced but can be no program of its own.

    That is where it writes to its arguments, returns memory of theirs or of the model's, or returns
    objects that are no data.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        capture = state.capture
        if capture is None:
            return module._call_impl(*args, **kwargs)
        boxes = _tensors((args, kwargs))
        before = [box._version for box in boxes], _frame((args, kwargs))
        result = module._call_impl(*args, **kwargs)
        if ([box._version for box in boxes], _frame((args, kwargs))) != before:
            raise NotAlone
        taken = {id(box._cell.root) for box in boxes} | set(map(id, capture.cells))
        map_nested(lambda leaf: _check_result(leaf, taken), result)
        return result

    return call


def _tensors(x: Any) -> list[Tensor]:
    found: list[Tensor] = []
    map_nested(lambda leaf: found.append(leaf) if isinstance(leaf, Tensor) else None, x)
    return [x for x in found if not isinstance(x, Parameter)]


def _frame(x: Any) -> Any:
    """What lists and mappings hold, to see whether somebody changes them."""
    if isinstance(x, (tuple, list)):
        return [_frame(one) for one in x]
    return [(key, _frame(one)) for key, one in x.items()] if isinstance(x, dict) else id(x)


def _check_result(leaf: Any, taken: set[int]) -> None:
    if isinstance(leaf, Tensor):
        root = id(leaf._cell.root)
        if root in taken and not isinstance(leaf, Parameter):
            raise NotAlone
        taken.add(root)
    elif not (is_data(leaf) or isinstance(leaf, _HARMLESS)):
        raise NotAlone


def where(error: BaseException) -> str:
    """The file and line, outside of this package and JAX, that asked for a value."""
    skipped = (_OURS, str(Path(jax.__file__).parent))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f, skipped)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "a function of torch"


def _is_users(frame: traceback.FrameSummary, skipped: tuple[str, str]) -> bool:
    return not frame.filename.startswith(skipped)
