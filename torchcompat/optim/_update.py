"""The update of all parameters of a group as one compiled call.

The call is cached on the rule, its flags and the arrays' shapes; hyper-parameters and step numbers are
traced. Results go into the tensors' storages, so every alias sees them. Old buffers are not donated: a
`jax.Array` that the user took from a parameter stays valid.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import jax
from jax import numpy as jnp

from torchcompat._ops._registry import MIXED, Row
from torchcompat._tensor import Tensor, as_array, wrap
from torchcompat._tensor._dispatch import call
from torchcompat._tensor._faces import check_inplace, write
from torchcompat._tensor._state import state as modes
from torchcompat.optim._rules import Flags, Rule

States = dict[str, list[Any]]


def update(
    rule: Rule,
    params: Sequence[Tensor],
    grads: Sequence[Tensor],
    states: States,
    hyper: dict[str, Any],
    on: Flags,
) -> None:
    """Applies one step of `rule` in place to `params` and to the tensors in `states`.

    Args:
        states: for each name one tensor a parameter. Where one is None, the list receives a new tensor.
        hyper: numbers; a Tensor counts by its only element.
        on: the flags that are set.
    """
    if not params:
        return
    taken = [_place(p) for p in params]
    if len(set(taken)) < len(taken):
        # Parameters over one storage: each sees what the one before has written, as in torch.
        for i in range(len(params)):
            one = {name: held[i : i + 1] for name, held in states.items()}
            update(rule, params[i : i + 1], grads[i : i + 1], one, hyper, on)
            for name, held in one.items():
                states[name][i] = held[0]
        return
    if modes.grad_enabled:
        _recorded(rule, params, grads, states, hyper, on)
    else:
        _plain(rule, params, grads, states, hyper, on)


def _place(p: Tensor) -> int:
    return id(p._cell.root)


def _plain(rule: Rule, params: Any, grads: Any, states: States, hyper: dict, on: Flags) -> None:
    arrays = (
        [p._read() for p in params],
        [g._read() for g in grads],
        {name: list(map(as_array, held)) for name, held in states.items()},
        {name: as_array(value) for name, value in hyper.items()},
    )
    with jax.enable_x64(True):
        new_params, new_states = _compiled(rule, frozenset(on), *arrays)
    for p, value in zip(params, new_params):
        p._write(value)
    for name, held in states.items():
        for i, value in enumerate(new_states[name]):
            if held[i] is not None:
                held[i]._write(value)
            elif value is not None:
                held[i] = wrap(value)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _compiled(
    rule: Rule, on: Flags, params: list, grads: list, states: dict, hyper: dict
) -> tuple[list, dict]:
    h = SimpleNamespace(**{name: _scalar(value) for name, value in hyper.items()})
    new_params, new_states = [], {name: list(held) for name, held in states.items()}
    for i, (p, g) in enumerate(zip(params, grads)):
        held = {name: one[i] for name, one in states.items() if one[i] is not None}
        value, new = (
            _as_real(rule, p, g, held, h, on) if p.dtype.kind == "c" else rule(p, g, held, h, on)
        )
        new_params.append(value)
        for name, one in new.items():
            new_states[name][i] = one
    return new_params, new_states


def _scalar(value: Any) -> Any:
    return None if value is None else jnp.asarray(value, jnp.float64).reshape(())


def _as_real(rule: Rule, p: Any, g: Any, s: dict, h: Any, on: Flags) -> tuple:
    """The rule on real and imaginary parts by themselves: a complex number counts as two numbers."""
    p, new = rule(_parts(p), _parts(g), {k: _parts(v) for k, v in s.items()}, h, on)
    return _joined(p, True), {k: _joined(v, v.ndim > 0) for k, v in new.items()}


def _parts(x: Any) -> Any:
    return jnp.stack([x.real, x.imag], -1) if x.dtype.kind == "c" else x


def _joined(x: Any, whole: bool) -> Any:
    return jax.lax.complex(x[..., 0], x[..., 1]) if whole else x


def _recorded(rule: Rule, params: Any, grads: Any, states: States, hyper: dict, on: Flags) -> None:
    """The update as one recorded op (`differentiable=True`)."""
    for p in params:
        check_inplace(p)
    tree = params, grads, states, hyper
    leaves, structure = jax.tree.flatten(tree, is_leaf=lambda x: isinstance(x, Tensor))
    out = call(_row(rule, frozenset(on), structure), (leaves,))
    for p, value in zip(params, out):
        write(p, value)
    rest = iter(out[len(params) :])
    for name in sorted(states):
        held = states[name]
        for i, value in zip(range(len(held)), rest):
            if held[i] is not None:
                write(held[i], value)
            elif value.shape == params[i].shape:
                held[i] = value


@functools.lru_cache(maxsize=256)
def _row(rule: Rule, on: frozenset, structure: Any) -> Row:
    def run(leaves: tuple) -> list:
        params, grads, states, hyper = jax.tree.unflatten(structure, leaves)
        new_params, new_states = _compiled(rule, on, params, grads, states, hyper)
        new = [x for name in sorted(new_states) for x in new_states[name]]
        # Every place needs an array; where there is no state, one that nobody looks at.
        return [*new_params, *(jnp.zeros(()) if x is None else x for x in new)]

    name = f"{rule.__name__}_step"
    return Row(name=name, fn=run, names=("leaves",), kinds=(MIXED,), grad_name="OptimizerBackward")
