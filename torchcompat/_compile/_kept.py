"""What a program computes of its state alone: computed once, and kept until the state is another.

Kernels in the order that XLA's convolutions want, scales of batch normalisation, weights as autocast casts
them: a model that is only evaluated computes these from its parameters at every call.
"""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core

from torchcompat._compile import _xla

# Large models keep their memory for other things.
_MOST_BYTES = 2**30


def keeping(program: Callable, state: list, arrays: list) -> Callable:
    """Compiles a program that writes to none of its state; what it computes of that alone is kept.

    Args:
        program: `(state, arrays) -> outputs`.
        state, arrays: lists of arrays like those that it will be given.
    """
    closed = jax.make_jaxpr(_xla.rewritten(program))(state, arrays)
    made, used, first, rest = _parts(closed, len(state))
    largest = _xla.largest(closed.jaxpr)
    if not made:
        return _xla.Program(program, largest)
    return Kept(program, used, first, rest, largest)


class Kept:
    """A program in two parts.

    Args:
        program: the whole.
        used: which arrays of the state the second part needs.
        first: makes of the whole state what is kept.
        rest: takes what is kept, that state, and the arguments; gives the outputs.
        largest: the bytes of the largest value that it computes.
    """

    def __init__(
        self, program: Callable, used: list[int], first: Callable, rest: Callable, largest: int
    ) -> None:
        self._traced = jax.jit(program)
        self._used = operator.itemgetter(*used) if len(used) > 1 else lambda x: [x[i] for i in used]
        self._first = _xla.jitted(lambda state: first(*state), largest)
        self._rest = _xla.jitted(lambda made, used, arrays: rest(*made, *used, *arrays), largest)
        self._made: list = []
        # Who held on to the arrays would keep a training step from writing over them.
        self._seen: list[weakref.ref] = []
        self._identities: list[int] | None = None

    def __call__(self, state: list, arrays: list) -> list:
        """The outputs."""
        identities = [*map(id, state)]
        changed = identities != self._identities
        if _xla.is_traced(arrays) or (changed and _xla.is_traced(state)):
            return self._traced(state, arrays)
        if changed:
            self._made = self._first(state)
            self._seen = [weakref.ref(array, self._forget) for array in state]
            self._identities = identities
        return self._rest(self._made, self._used(state), arrays)

    def _forget(self, seen: weakref.ref) -> None:
        """An array is gone, and its identity may be given to another."""
        self._identities = None


def _parts(closed: core.ClosedJaxpr, count: int) -> tuple[list, list[int], Callable, Callable]:
    """What is worth keeping, and `used`, `first` and `rest` of `Kept`; `count` arrays are the state."""
    jaxpr = closed.jaxpr
    state, arguments = jaxpr.invars[:count], jaxpr.invars[count:]
    early = {*state, *jaxpr.constvars}
    made: list[Any] = []
    total = 0
    equations: tuple[list, list] = [], []
    for equation in jaxpr.eqns:
        more = sum(map(_xla.nbytes, equation.outvars))
        is_first = total + more <= _MOST_BYTES and _is_first(equation, early)
        equations[not is_first].append(equation)
        if is_first:
            total += more
            early |= set(equation.outvars)
            made += equation.outvars
    read = {v for equation in equations[1] for v in equation.invars if isinstance(v, core.Var)}
    read |= {v for v in jaxpr.outvars if isinstance(v, core.Var)}
    made = [v for v in made if v in read]
    used = [i for i, v in enumerate(state) if v in read]
    first = jaxpr.replace(invars=state, outvars=made, eqns=equations[0])
    rest = jaxpr.replace(invars=[*made, *(state[i] for i in used), *arguments], eqns=equations[1])
    functions = [core.jaxpr_as_fun(core.ClosedJaxpr(one, closed.consts)) for one in (first, rest)]
    return made, used, *functions


def _is_first(equation: Any, early: set) -> bool:
    """Whether an equation depends on the state alone and gives no more bytes than it takes."""
    taken = [v for v in equation.invars if isinstance(v, core.Var)]
    if equation.effects or not all(v in early for v in taken):
        return False
    return sum(map(_xla.nbytes, equation.outvars)) <= sum(map(_xla.nbytes, taken))
