"""Convolutional programs with channels last inside, as XLA's CPU backend (jax 0.10.2) is fast.

Its convolutions take `(N, *sizes, C)` and kernels `(*sizes, C, C_out)`. It brings every operand of each,
and of their gradients, into that order by transpositions that it fuses with what came before: slow
reads, and the work before done once more for each use. Here the program is run over again with
values held in whatever order they were made in, and what must be transposed is, alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.experimental.xla_metadata import set_xla_metadata
from jax.extend import core

from torchcompat._compile._xla import NOTHING_CARRIED, Carried, Order


def inside(function: Callable, carried: Carried = NOTHING_CARRIED) -> Callable:
    """`function` of trees of arrays, rewritten as it is traced if it holds convolutions."""

    @functools.wraps(function)
    def program(*arguments: Any) -> Any:
        leaves, tree = jax.tree.flatten(arguments)
        held = [_Held(x, carried.taken.get(i, _plain(x.ndim))) for i, x in enumerate(leaves)]
        own = [held[i].description() if i in carried.taken else x for i, x in enumerate(leaves)]
        made = jax.make_jaxpr(function, return_shape=True)
        closed, shapes = made(*jax.tree.unflatten(tree, own))
        if not _convolves(closed.jaxpr):
            results = core.jaxpr_as_fun(closed)(*leaves)
        else:
            found = _run(closed.jaxpr, closed.consts, held, carried.homes)
            results = [x.ordered(carried.left.get(i, _plain(x.ndim))) for i, x in enumerate(found)]
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return program


def homes(jaxpr: Any) -> dict[tuple[int, ...], Order]:
    """By their shapes, the orders in which a program's convolutions want kernels among its arguments."""
    wanted = [*_wanted(jaxpr, {v: v for v in jaxpr.invars})]
    return dict(reversed(wanted))  # what comes first counts: it is the forward pass


def _wanted(jaxpr: Any, known: dict) -> Iterator[tuple[tuple[int, ...], Order]]:
    for equation in jaxpr.eqns:
        operands = [known.get(v) if isinstance(v, core.Var) else None for v in equation.invars]
        for inner in _inner(equation):
            yield from _wanted(inner.jaxpr, dict(zip(inner.jaxpr.invars, operands)))
        if equation.primitive.name == "convert_element_type":
            known[equation.outvars[0]] = operands[0]
        if equation.primitive.name == "conv_general_dilated" and operands[1] is not None:
            c_out, c_in, *window = equation.params["dimension_numbers"].rhs_spec
            if _is_plain(equation):
                yield operands[1].aval.shape, (*window, c_in, c_out)


def _convolves(jaxpr: Any) -> bool:
    return any(
        equation.primitive.name == "conv_general_dilated"
        or any(_convolves(inner.jaxpr) for inner in _inner(equation))
        for equation in jaxpr.eqns
    )


def _inner(equation: Any) -> list:
    """The program that an equation calls, where it is one to be looked into."""
    name = _CALLS.get(equation.primitive.name)
    return [equation.params[name]] if name else []


_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


def _plain(ndim: int) -> Order:
    return tuple(range(ndim))


def _apart(function: Callable, *arrays: Any) -> Any:
    """`function(*arrays)` as a piece of its own: XLA fuses nothing over its edges."""
    jitted = jax.jit(function)
    with set_xla_metadata(inlineable="false"):
        return jitted(*arrays)


def _settled(x: Any) -> Any:
    """`x` as it is in memory: XLA would leave it to the next piece to bring it into its order."""
    return with_layout_constraint(x, Layout(_plain(x.ndim)))


class _Held:
    """A value whose dimensions may lie in another order.

    Args:
        array: it, transposed by `order`: dimension `i` is the value's dimension `order[i]`.
        flipped: dimensions of the value in which `array` still runs the other way.
    """

    def __init__(self, array: Any, order: Order, flipped: Order = ()) -> None:
        self.array = array
        self.order = order
        self.flipped = flipped
        self._forms: dict[Order, Any] = {}

    @property
    def ndim(self) -> int:
        return len(self.order)

    def description(self) -> jax.ShapeDtypeStruct:
        """The value's shape and type."""
        shape = [self.array.shape[self.order.index(d)] for d in range(self.ndim)]
        return jax.ShapeDtypeStruct(shape, self.array.dtype)

    def moved(self) -> bool:
        """Whether it is held in another order than its own."""
        return self.order != _plain(self.ndim)

    def into(self, order: Order) -> Callable:
        """What brings `array` into an order."""
        axes = tuple(map(self.order.index, order))
        flips = tuple(map(order.index, self.flipped))

        def turned(x: Any) -> Any:
            x = lax.transpose(x, axes)
            return _settled(lax.rev(x, flips) if flips else x)

        return turned

    def ordered(self, order: Order) -> Any:
        """The array in an order."""
        if order == self.order and not self.flipped:
            return self.array
        if order not in self._forms:
            shape = self.array.shape
            long = [d for d in order if shape[self.order.index(d)] > 1]
            if long == [d for d in self.order if d in long] and not self.flipped:
                self._forms[order] = self.array.reshape([shape[self.order.index(d)] for d in order])
            else:
                self._forms[order] = _apart(self.into(order), self.array)
        return self._forms[order]

    def logical(self) -> Any:
        return self.ordered(_plain(self.ndim))


class _Spread(_Held):
    """A value broadcast from a smaller one; it is made in the order that is asked for."""

    def __init__(self, source: _Held, shape: Sequence[int], dimensions: Sequence[int]) -> None:
        self.source, self.shape, self.dimensions = source, shape, dimensions
        self.order, self.flipped = _preferred(source, len(shape), dimensions), ()
        self._forms = {}

    @property
    def array(self) -> Any:
        return self.ordered(self.order)

    def ordered(self, order: Order) -> Any:
        if order not in self._forms:
            places = [order.index(d) for d in self.dimensions]
            inner = tuple(sorted(range(len(places)), key=places.__getitem__))
            shape = [self.shape[d] for d in order]
            source = self.source.ordered(inner)
            self._forms[order] = lax.broadcast_in_dim(source, shape, sorted(places))
        return self._forms[order]


def _preferred(source: _Held, ndim: int, dimensions: Sequence[int]) -> Order:
    if not source.moved():
        return _plain(ndim)
    kept = [dimensions[d] for d in source.order]
    return (*kept[:-1], *(d for d in range(ndim) if d not in kept), kept[-1])


# -- the rules ----------------------------------------------------------------------------------------


def _run(jaxpr: Any, consts: Sequence, arguments: Sequence[_Held], homes: Mapping) -> list[_Held]:
    values = dict(zip(jaxpr.invars, arguments))
    values |= {v: _Held(x, _plain(v.aval.ndim)) for v, x in zip(jaxpr.constvars, consts)}

    def read(v: Any) -> _Held:
        return _Held(v.val, ()) if isinstance(v, core.Literal) else values[v]

    for equation in jaxpr.eqns:
        operands = [read(v) for v in equation.invars]
        found = _evaluated(equation, operands, homes)
        values.update(zip(equation.outvars, found))
    return [read(v) for v in jaxpr.outvars]


def _evaluated(equation: Any, operands: list[_Held], homes: Mapping) -> list[_Held]:
    for inner in _inner(equation):
        return _run(inner.jaxpr, inner.consts, operands, homes)
    name = equation.primitive.name
    if name == "platform_index":
        return [_Held(_branch(equation.params["platforms"]), ())]
    if name == "cond" and isinstance(operands[0].array, np.integer):
        branch = equation.params["branches"][operands[0].array]
        return _run(branch.jaxpr, branch.consts, operands[1:], homes)
    if name == "conv_general_dilated" and _is_plain(equation):
        return _convolution(equation, operands[0], operands[1], homes)
    if name in _POINTWISE:
        return _pointwise(equation, operands)
    rule = _RULES.get(name)
    if rule is not None and (name in _ALWAYS or any(x.moved() for x in operands)):
        return rule(equation, *operands)
    return _as_it_is(equation, [x.logical() for x in operands])


def _branch(platforms: Sequence) -> np.integer:
    """Which of the branches of `lax.platform_dependent` is that of CPUs; None is the default."""
    found = (i for i, names in enumerate(platforms) if names is None or "cpu" in names)
    return np.int32(next(found))


def _as_it_is(equation: Any, arrays: Sequence, **changed: Any) -> list[_Held]:
    """The equation on arrays; its results are in their own order."""
    primitive = equation.primitive
    found = primitive.get_bind_params({**equation.params, **changed})
    functions, params = found if isinstance(found, tuple) else ((), found)  # a pair before jax 0.10
    with equation.ctx.manager:
        out = primitive.bind(*functions, *arrays, **params)
    return [_Held(x, _plain(x.ndim)) for x in (out if primitive.multiple_results else [out])]


def _in_order(equation: Any, arrays: Sequence, order: Order, **changed: Any) -> list[_Held]:
    """The equation on arrays that are all in one order, as is then its result."""
    (out,) = _as_it_is(equation, arrays, **changed)
    return [_Held(out.array, order)]


def _pointwise(equation: Any, operands: list[_Held]) -> list[_Held]:
    ndim = max(x.ndim for x in operands)
    moved = [x.order for x in operands if x.ndim == ndim and x.moved()]
    order = moved[0] if moved else _plain(ndim)
    arrays = [x.ordered(order) if x.ndim == ndim else x.logical() for x in operands]
    return _in_order(equation, arrays, order)


def _is_plain(convolution: Any) -> bool:
    """Whether it has windows, and groups neither of channels nor of samples."""
    params = convolution.params
    groups = params["feature_group_count"], params["batch_group_count"]
    return groups == (1, 1) and convolution.invars[0].aval.ndim > 2


def _convolution(equation: Any, x: _Held, kernel: _Held, homes: Mapping) -> list[_Held]:
    params = dict(equation.params)
    numbers = params.pop("dimension_numbers")
    (n, c, *sizes), (c_out, c_in, *window) = numbers.lhs_spec, numbers.rhs_spec
    turned = x.into((n, *sizes, c))
    n, c, *sizes = numbers.out_spec
    order = (n, *sizes, c)
    letters = "".join(chr(ord("0") + i) for i in range(len(sizes)))
    last = f"N{letters}C", f"{letters}IO", f"N{letters}C"
    out, shape = equation.outvars[0].aval, equation.invars[1].aval.shape
    # The gradient of a kernel meets kernels, which lie in their own order.
    to_kernel = math.prod(shape[d] for d in window) > math.prod(out.shape[d] for d in sizes)
    target = homes.get(out.shape, _plain(x.ndim)) if to_kernel else order
    flipping = _flips(equation, kernel, window)
    if flipping:
        kernel = _Held(kernel.array, kernel.order)
        params["padding"] = [(high, low) for low, high in params["padding"]]

    def convolved(array: Any, kernel: Any) -> Any:
        array = turned(array)
        if flipping:
            array = _settled(lax.rev(array, range(1, array.ndim - 1)))
        out = lax.conv_general_dilated(array, kernel, dimension_numbers=last, **params)
        if flipping:
            out = _settled(lax.rev(out, range(1, out.ndim - 1)))
        return _settled(lax.transpose(out, tuple(map(order.index, target)))) if to_kernel else out

    ordered = kernel.ordered((*window, c_in, c_out))
    return [_Held(_apart(convolved, x.array, ordered), target)]


def _flips(equation: Any, kernel: _Held, window: Sequence[int]) -> bool:
    """Whether a kernel that runs the other way is larger than all that it meets: that is turned then."""
    met = equation.invars[0].aval.size + equation.outvars[0].aval.size
    strides = equation.params["window_strides"]
    return kernel.flipped == tuple(sorted(window)) and max(strides) == 1 and kernel.array.size > met


def _transpose(equation: Any, x: _Held) -> list[_Held]:
    permutation = equation.params["permutation"]
    return [_Held(x.ordered(x.order), tuple(map(permutation.index, x.order)))]


def _reshape(equation: Any, x: _Held) -> list[_Held]:
    before, after = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    firsts = {old[0]: (old, new) for old, new in _groups(before, after)}
    found = [firsts[d] for d in x.order if d in firsts]
    joined = [d for old, _ in found for d in old]
    if joined != [d for d in x.order if before[d] != 1]:  # it joins what does not lie together
        return _as_it_is(equation, [x.logical()])
    order = [d for d, size in enumerate(after) if size == 1]
    order += [d for _, new in found for d in new]
    return [_Held(x.ordered(x.order).reshape([after[d] for d in order]), tuple(order))]


def _groups(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Which dimensions a reshape makes of which, those of one element left out."""
    long, kept = ([d for d, size in enumerate(shape) if size != 1] for shape in (before, after))
    groups: list[tuple[list[int], list[int]]] = []
    while long and kept:
        old, new = [long.pop(0)], [kept.pop(0)]
        while (ahead := math.prod(before[d] for d in old) - math.prod(after[d] for d in new)) != 0:
            source, group = (kept, new) if ahead > 0 else (long, old)
            if not source:  # of no elements
                return []
            group.append(source.pop(0))
        groups.append((old, new))
    return groups


def _reduce(equation: Any, x: _Held) -> list[_Held]:
    axes = equation.params["axes"]
    kept = [d for d in x.order if d not in axes]
    order = tuple(sorted(kept).index(d) for d in kept)
    places = tuple(sorted(map(x.order.index, axes)))
    return _in_order(equation, [x.ordered(x.order)], order, axes=places)


def _broadcast(equation: Any, x: _Held, *sizes: _Held) -> list[_Held]:
    params = equation.params
    return [_Spread(x, params["shape"], params["broadcast_dimensions"])]


def _reverse(equation: Any, x: _Held) -> list[_Held]:
    flipped = set(x.flipped) ^ set(equation.params["dimensions"])
    return [_Held(x.array, x.order, tuple(sorted(flipped)))]


def _pad(equation: Any, x: _Held, value: _Held) -> list[_Held]:
    config = equation.params["padding_config"]
    arrays = [x.ordered(x.order), value.logical()]
    return _in_order(equation, arrays, x.order, padding_config=tuple(config[d] for d in x.order))


def _slice(equation: Any, x: _Held) -> list[_Held]:
    names = "start_indices", "limit_indices", "strides"
    given = {name: equation.params[name] for name in names if equation.params[name] is not None}
    moved = {name: tuple(values[d] for d in x.order) for name, values in given.items()}
    return _in_order(equation, [x.ordered(x.order)], x.order, **moved)


def _concatenate(equation: Any, *operands: _Held) -> list[_Held]:
    order = next(x.order for x in operands if x.moved())
    arrays = [x.ordered(order) for x in operands]
    place = order.index(equation.params["dimension"])
    return _in_order(equation, arrays, order, dimension=place)


def _barrier(equation: Any, *operands: _Held) -> list[_Held]:
    found = _as_it_is(equation, [x.ordered(x.order) for x in operands])
    return [_Held(y.array, x.order) for x, y in zip(operands, found)]


_RULES: dict[str, Callable] = {
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_in_dim": _broadcast,
    "rev": _reverse,
    "pad": _pad,
    "slice": _slice,
    "concatenate": _concatenate,
    "optimization_barrier": _barrier,
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod"), _reduce),
}
# These are worth it for what comes after, whatever order their operands have.
_ALWAYS = frozenset(("broadcast_in_dim", "rev"))
_POINTWISE = frozenset(
    """abs add add_any and cbrt ceil clamp convert_element_type copy cos div eq erf erf_inv erfc exp exp2
    expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max min mul ne neg not or pow
    reduce_precision rem round rsqrt select_n sign sin sqrt square sub tan tanh xor""".split()
)
