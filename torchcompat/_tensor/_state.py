"""What the dispatcher looks at on each call: gradient mode and the running state capture."""

from __future__ import annotations

import itertools
import threading
from typing import Any


class _State(threading.local):
    """Per-thread modes.

    Attributes:
        capture: the running `Capture` of a compile, or None.
        anomaly: the running anomaly mode, or None.
        saved_hooks: the running `(pack, unpack)` hooks on what autograd keeps, innermost last.
        saved_hooks_refused: the error for one who installs such hooks, or None.
        mutation_allowed: what autograd keeps may be written to.
        backward_pass: the running backward pass, innermost.
        forward: the open level of forward-mode differentiation, or None.
        forward_enabled: whether tangents go through ops.
        inference: tensors made now take no part in autograd.
        transforms: the running transformations of `torch.func`, innermost last: `reverse`, `forward`,
            `vmap`.
        parts: None, or what calls each module: `parts(module, args, kwargs)` (`_compile/_parts.py`).
        hook_runner: None, or what module hooks are called through: `hook_runner(hook, *args)`.
        autocast: None, or what casts an op's arguments: `autocast(row, args)`.
        autocast_switches: what autocast is set to; see `_autocast`.
        override_modes: the running modes that see every torch function, innermost last.
        overriding: whether arguments are asked for their `__torch_function__`.
    """

    grad_enabled: bool = True
    capture: Any = None
    anomaly: Any = None
    saved_hooks: tuple = ()
    saved_hooks_refused: str | None = None
    mutation_allowed: bool = False
    backward_pass: Any = None
    forward: Any = None
    forward_enabled: bool = True
    inference: bool = False
    transforms: tuple[str, ...] = ()
    parts: Any = None
    hook_runner: Any = None
    autocast: Any = None
    autocast_switches: Any = None
    override_modes: tuple = ()
    overriding: bool = True


state = _State()

# Cells and captures draw from one counter, so that a capture knows which cells are older than it.
serial = itertools.count(1).__next__


# Nodes of the recorded graph count by themselves.
sequence = itertools.count(1).__next__


class Epoch:
    """A number that advances whenever anything a compiled call depends on may have changed."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def advance(self) -> None:
        self.value += 1


epoch = Epoch()
