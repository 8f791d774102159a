"""`compile`: one XLA program per input signature, with the state it reads and writes carried along."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from torchcompat import _random
from torchcompat._compile import _guards, _observe, _parts, _steps
from torchcompat._compile._capture import Capture, Retrace
from torchcompat._compile._executable import Executable
from torchcompat._compile._tree import flatten
from torchcompat._tensor import Tensor
from torchcompat._tensor._state import epoch, state
from torchcompat.nn.modules.module import Module

MAX_EXECUTABLES = 64
# A module inside of a function that is no one program is run as it is from as many signatures on.
_MOST_SIGNATURES = 8
# A function is no one program in any state from as many states on.
_MOST_BREAKS = 4


class Compiled:
    """A function whose calls run as one cached XLA program each.

    Where its course depends on values, it runs as it is, with each module that it calls compiled.

    Args:
        fullgraph: raise the error that says so instead.

    Attributes:
        roots: modules whose state and settings the programs depend on.
        extra: other long-lived tensors that traces have met.
        watched: tensors whose `.grad` traces have read or replaced.
        holders: key cells of the generators that traces have drawn from.
        optimizers: optimizers that traces have stepped, by identity.
        numbers: their hyper-parameters that are inputs of the programs, by key.
    """

    def __init__(self, function: Callable, fullgraph: bool = False) -> None:
        self.function = function
        self.fullgraph = fullgraph
        self.roots: list[Module] = [function] if isinstance(function, Module) else []
        self.extra: dict[int, Tensor] = {}
        self.watched: dict[int, Tensor] = {}
        self.holders = [_random.default_generator.key_cell]
        self.optimizers: dict[int, Any] = {}
        self.numbers: dict[tuple, _steps.Number] = {}
        self.verdicts = _observe.Verdicts()
        self._table: OrderedDict[tuple, list[Executable]] = OrderedDict()
        self._guards: dict[tuple, int] = {}
        self._broken: set[int] = set()
        self._parts = _parts.Parts(function, _Part)
        self._epoch = -1
        self._guard = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.capture is not None:
            return self.function(*args, **kwargs)
        leaves: list = []
        tree = flatten((args, kwargs) if kwargs else args, leaves)
        signature = tree, state.grad_enabled, state.autocast
        if self._epoch != epoch.value:
            self._look()
        for one in self._table.get((self._guard, signature, self._settings()), ()):
            if one.fits():
                return one(leaves)
        return self._first_call(signature, args, kwargs, leaves)

    def program(self, leaves: list) -> Any:
        """XLA's program of the last signature that was called, for those who measure it.

        Args:
            leaves: the Tensors and arrays of a call of that signature.
        """
        return next(reversed(self._table.values()))[-1].program(leaves)

    def _first_call(self, signature: tuple, args: tuple, kwargs: dict, leaves: list) -> Any:
        while True:
            if not self._is_program(signature):
                return self._parts.run(args, kwargs)
            key = self._guard, signature, self._settings()
            made = self._make(args, kwargs)
            try:
                result = made(leaves)
                break
            except Retrace:
                self._look()
            except _random.UncarriedKeyError as error:
                if error.cell in self.holders:
                    raise
                self.holders.append(error.cell)
            except _observe.Unjudged:
                with _observe.hook_runner(self.verdicts.judge):
                    return self.function(*args, **kwargs)
            except (*_parts.CAUSES, _parts.NotAlone) as error:
                if self.fullgraph or made.jitted is not None:
                    raise
                self._broken.add(self._guard)
                self._tell(error)
        # A forward that sets attributes leaves other settings behind than it found.
        self._look()
        for one in {key, (self._guard, *key[1:])}:
            self._table.setdefault(one, []).append(made)
        while len(self._table) > MAX_EXECUTABLES:
            self._table.popitem(last=False)
        return result

    def _is_program(self, signature: tuple) -> bool:
        """Whether a call may be one program, as far as is known."""
        return self._guard not in self._broken and len(self._broken) < _MOST_BREAKS

    def _tell(self, error: BaseException) -> None:
        if len(self._broken) == 1:
            name = getattr(self.function, "__qualname__", type(self.function).__name__)
            warnings.warn(
                f"compile: {name} runs as it is, with each module that it calls compiled, because its "
                f"course depends on values at {_parts.where(error)} (fullgraph=True makes this an "
                f"error): {str(error).partition(chr(10))[0]}",
                stacklevel=5,
            )

    def _make(self, args: tuple, kwargs: dict) -> Executable:
        return Executable(
            self.function,
            (args, kwargs),
            list(self._tensors()),
            self.holders,
            list(self.watched.values()),
            self.verdicts,
            self._adopt,
            list(self.numbers.values()),
        )

    def _settings(self) -> tuple:
        return _steps.key(self.optimizers.values(), self.numbers) if self.optimizers else ()

    def _tensors(self) -> list[Tensor]:
        own = _guards.tensors_of(_guards.modules_of(self.roots))
        held = _steps.tensors_of(self.optimizers.values())
        return list({id(t): t for t in (*own, *held, *self.extra.values())}.values())

    def _look(self) -> None:
        """Describes the state anew and finds (or gives) the number that stands for it."""
        self._epoch = epoch.value
        modules = _guards.modules_of(self.roots)
        description = _guards.describe(modules, self._tensors())
        self._guard = self._guards.setdefault(description, len(self._guards))
        for one in {id(x): x for several in self._table.values() for x in several}.values():
            one.refresh()

    def _adopt(self, capture: Capture) -> bool:
        """Takes up the state and modules that a trace met; returns whether any state was new."""
        known = set(map(id, _guards.modules_of(self.roots)))
        self.roots += [m for key, m in capture.modules.items() if key not in known]
        self.watched |= capture.unwatched
        # What a watched tensor holds is looked up at each call: it may be another one by then.
        held = {id(t._grad) for t in self.watched.values()}
        new = capture.stepped.keys() - self.optimizers.keys()
        self.optimizers |= {key: one.optimizer for key, one in capture.stepped.items()}
        self.numbers |= capture.unknown
        held |= set(map(id, _steps.tensors_of(self.optimizers.values())))
        self.extra |= {id(t): t for t in capture.missing.values() if id(t) not in held}
        return bool(capture.missing or capture.unwatched or capture.unknown or new)


class _Part(Compiled):
    """A module inside of a function that is no one program."""

    def __init__(self, module: Module) -> None:
        super().__init__(_parts.alone(module))
        self.roots.append(module)

    def _is_program(self, signature: tuple) -> bool:
        return (
            super()._is_program(signature)
            and len(self._table) < _MOST_SIGNATURES
            and _parts.takes_data(signature[0])
        )

    def _tell(self, error: BaseException) -> None:
        """Nothing: the function that it is a part of has been told of."""
