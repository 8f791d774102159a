"""Models and inputs that the command line names."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from converters._objects import from_torch, to_torch
from converters._tensors import is_torch_tensor
from converters.files._loading import LoadReport, load_checkpoint
from converters.files._names import PREFIXES, close_names, repair_names
from converters.files._open import open_checkpoint
from torchcompat import nn
from torchcompat._dtype import BY_NAME

_PORTED = "torchcompat.ported."
_SPEC = re.compile(
    r"(?P<shape>[\dx]+|scalar)(:(?P<dtype>[a-z]\w*))?(:(?P<low>-?\d+)\.\.(?P<high>-?\d+))?"
)


def made_by(name: str) -> Any:
    """What the callable of that name returns.

    Args:
        name: "package.module:function" or "path/file.py:function"; a class is a function, too.

    Raises:
        ValueError: there is no such module or function.
        RuntimeError: it raised something.
    """
    factory = _find(name)
    try:
        return factory()
    except Exception as error:
        raise RuntimeError(f"{name} raised {type(error).__name__}: {error}") from error


def _find(name: str) -> Any:
    place, _, path = name.rpartition(":")
    if not place or not path:
        raise ValueError(
            f"{name!r} is no factory; write 'package.module:function' or 'file.py:...'"
        )
    try:
        found: Any = importlib.import_module(_module(place))
    except ImportError as error:
        raise ValueError(f"{name}: cannot import {place}: {error}") from error
    for part in path.split("."):
        if not hasattr(found, part):
            near = close_names([part], dir(found), {}, {}).get(part)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"{name}: {place} has no {part!r}{hint}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"{name} is no function but {type(found).__name__}")
    return found


def _module(place: str) -> str:
    """The name to import; the folder of a file is put on `sys.path`."""
    prefix = _PORTED if place.startswith(_PORTED) else ""
    place = place.removeprefix(prefix)
    if not place.endswith(".py"):
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return prefix + place
    if not os.path.isfile(place):
        raise ValueError(f"there is no file {place}")
    folder, file = os.path.split(os.path.abspath(place))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return prefix + file.removesuffix(".py")


def make_pair(theirs: str, ours: str | None) -> tuple[Any, Any]:
    """torch's model and ours.

    Args:
        ours: None runs the source of `theirs` on torchcompat.

    Raises:
        ValueError: one is not what it should be.
    """
    pair = made_by(theirs), made_by(ours or _PORTED + theirs)
    torch = importlib.import_module("torch")
    kinds = (("torch", torch.nn.Module), ("torchcompat", nn.Module))
    for made, name, (library, kind) in zip(pair, (theirs, ours or _PORTED + theirs), kinds):
        if not isinstance(made, kind):
            raise ValueError(f"{name} made {type(made).__name__}, which is no module of {library}")
    return pair


def fill(
    torch_model: Any, model: Any, checkpoint: str | None, key: str | None, repair: bool
) -> LoadReport | None:
    """Loads a checkpoint into both models, each by itself; or gives ours torch's weights.

    Raises:
        RuntimeError: names or shapes differ.
    """
    if checkpoint is None:
        model.load_state_dict(from_torch(torch_model.state_dict()))
        return None
    report = load_checkpoint(model, checkpoint, repair=repair, key=key)
    wanted = list(torch_model.state_dict())
    with open_checkpoint(checkpoint, key) as found:
        names = [*found.infos, *found.other]
        renamed = repair_names(names, wanted, PREFIXES) if repair else {}
        state = {}
        for name in names:
            value = to_torch(found.read(name)) if name in found.infos else found.other[name]
            state[renamed.get(name, name)] = value
    for name, mate in report.tied.items():
        state[name] = state[mate]
    torch_model.load_state_dict(state)
    return report


def read_spec(spec: str, random: np.random.Generator) -> np.ndarray:
    """An input of a shape, dtype and range: "2x3x32x32", "1x8:int64:0..999", "4:float64".

    Floats are normal; integers are below 2 unless a range is given, whose ends both occur.

    Raises:
        ValueError: it is no such text.
    """
    match = _SPEC.fullmatch(spec)
    kind = BY_NAME.get((match and match["dtype"]) or "float32")
    if match is None or kind is None or kind.is_complex:
        raise ValueError(
            f"{spec!r} is no input; write SHAPE[:DTYPE[:LOW..HIGH]], as 2x8:int64:0..99"
        )
    sizes = [] if match["shape"] == "scalar" else match["shape"].split("x")
    if not all(sizes):
        raise ValueError(f"{spec!r} is no input: its shape is not like 2x3x32")
    shape = tuple(map(int, sizes))
    if kind.is_floating_point and match["low"] is None:
        return random.standard_normal(shape).astype(kind.numpy)
    low, high = (int(match[end] or default) for end, default in (("low", 0), ("high", 1)))
    if low > high:
        raise ValueError(f"{spec!r} is no input: {low} is above {high}")
    if kind.is_floating_point:
        return random.uniform(low, high, shape).astype(kind.numpy)
    return random.integers(low, high, shape, endpoint=True).astype(kind.numpy)


def inputs_of(specs: Sequence[str], factory: str | None, seed: int) -> tuple[tuple, dict]:
    """The positional and keyword inputs of a model.

    Args:
        specs: as `read_spec` takes them.
        factory: names a function that returns a tensor, a sequence of them, or a dict by argument
            names; instead of `specs`.
    """
    if factory is None:
        random = np.random.default_rng(seed)
        return tuple(read_spec(spec, random) for spec in specs), {}
    made = made_by(factory)
    if isinstance(made, dict):
        return (), made
    return (tuple(made) if isinstance(made, (list, tuple)) else (made,)), {}


def doubled(x: Any) -> Any:
    """Floating inputs in double precision."""
    if is_torch_tensor(x) or hasattr(x, "double"):
        return x.double() if x.is_floating_point() else x
    if isinstance(x, dict):
        return {key: doubled(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(map(doubled, x))
    return x.astype(np.float64) if np.issubdtype(getattr(x, "dtype", int), np.floating) else x
