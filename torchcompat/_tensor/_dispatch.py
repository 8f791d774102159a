"""The one place every op passes: unwrap, call the cached executable, wrap, record.

What goes in comes out: an op called with at least one Tensor returns Tensors; called with arrays
only it returns arrays. Ops without array arguments (creation) return Tensors.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype, _layout
from torchcompat._ops import _registry
from torchcompat._ops._registry import EITHER, LIST, MIXED, STATIC, TRACED, Row
from torchcompat._tensor import _saving
from torchcompat._tensor._cell import Cell
from torchcompat._tensor._graph import Node
from torchcompat._tensor._orders import keep_order
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, as_array, blank, wrap

_enable_x64 = jax.enable_x64
_NUMBERS = (bool, int, float, complex)
_SCALARS = (*_NUMBERS, np.number, np.bool_)
_META = jax.ShapeDtypeStruct


def call(row: Row, args: tuple) -> Any:
    """Runs one op. `args` holds every parameter in the order of the op's signature."""
    if state.autocast is not None:
        args = state.autocast(row, args)
    if state.forward is not None:
        return state.forward.call(row, args)
    if row.view is not None:
        result = _view(row, args)
        if result is not None:
            return result
    elif row.check is not None:
        try:
            row.check(*map(_seen_by_check, args))
        except (AttributeError, TypeError) as error:
            return _refused(row, args, error)
    arrays, static, tensors, places, given = _bind(row, args)
    key = (*static, *map(type, static))
    try:
        function = row.jitted.get(key)
    except TypeError as error:
        return _refused(row, args, error)
    if function is None:
        function = row.jitted[key] = _build(row, static)
    try:
        with _enable_x64(True):
            out = function(*arrays)
    except TypeError as error:
        if any(isinstance(a, _META) for a in jax.tree.leaves(arrays)):
            with _enable_x64(True):
                out = jax.eval_shape(function, *_as_meta(arrays))
        else:
            return _refused(row, args, error)
    if row.verify is not None:
        row.verify(*map(_seen_by_check, args))
    if tensors is None and given:
        return out if row.returns is None else _named(row)(*out)
    return _wrap(row, out, args, arrays, static, tensors, places)


def _bind(row: Row, args: tuple) -> tuple[list, list, list[Tensor] | None, list[int], bool]:
    """The arguments sorted: traced arrays, static values, the Tensors among them, "bare arrays came".

    With the Tensors come their places among the traced arrays, sequences counted through.
    """
    arrays: list[Any] = []
    static: list[Any] = []
    tensors: list[Tensor] | None = None
    places: list[int] = []
    given, ahead = False, 0
    for kind, x in zip(row.kinds, args):
        if kind is TRACED:
            if isinstance(x, Tensor):
                if tensors is None:
                    tensors = []
                tensors.append(x)
                places.append(len(arrays) + ahead)
                x = x._read()
            elif x is not None and type(x) not in _NUMBERS:
                if isinstance(x, _SCALARS):
                    x = _plain(x)
                else:
                    given = True
            arrays.append(x)
        elif kind is STATIC:
            static.append(_freeze(x) if type(x) in _UNFROZEN or isinstance(x, Tensor) else x)
        elif kind is LIST or kind is MIXED:
            x = _listed(row, args, x) if kind is LIST else tuple(x)
            for place, one in enumerate(x, len(arrays) + ahead):
                if isinstance(one, Tensor):
                    tensors = tensors or []
                    tensors.append(one)
                    places.append(place)
                elif one is not None:
                    given = True
            ahead += len(x) - 1
            arrays.append(tuple(map(as_array, x)))
        elif type(x) in _NUMBERS or x is None:
            static.append(x)
        elif isinstance(x, _SCALARS):
            static.append(_plain(x))
        else:
            static.append(_TRACED_HERE)
            if isinstance(x, Tensor):
                tensors = tensors or []
                tensors.append(x)
                places.append(len(arrays) + ahead)
            else:
                given = True
            arrays.append(as_array(x))
    return arrays, static, tensors, places, given


def _plain(x: Any) -> Any:
    """A NumPy scalar, or a number of a derived type, as Python's own: it takes part in promotion so."""
    if isinstance(x, np.generic):
        return x.item()
    return next(kind(x) for kind in (int, float, complex) if isinstance(x, kind))


def _listed(row: Row, args: tuple, x: Any) -> tuple:
    """A sequence of tensors as a tuple.

    Raises:
        TypeError: it is a single tensor, or something in it is none.
    """
    if isinstance(x, (Tensor, jax.Array)) or not hasattr(x, "__iter__"):
        position = next(i for i, one in enumerate(args, 1) if one is x)
        kind = "Tensor" if isinstance(x, jax.Array) else type(x).__name__
        raise TypeError(
            f"{row.name}(): argument '{row.names[position - 1]}' (position {position}) must be tuple "
            f"of Tensors, not {kind}"
        )
    items = tuple(x)
    for i, one in enumerate(items):
        if isinstance(one, (*_NUMBERS, str)) or one is None and not _may_hold_none(row):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(one).__name__}"
            )
    return items


def _may_hold_none(row: Row) -> bool:
    return any("Array | None]" in str(a) for a in inspect.unwrap(row.fn).__annotations__.values())


def _seen_by_check(x: Any) -> Any:
    return tuple(map(as_array, x)) if isinstance(x, (tuple, list)) else as_array(x)


def lifted(function: Callable) -> Callable:
    """For functions written in terms of Tensors: arrays in, arrays out; a Tensor in, Tensors out."""

    @functools.wraps(function)
    def face(*args: Any, **kwargs: Any) -> Any:
        if holds(Tensor, args) or holds(Tensor, kwargs.values()):
            return function(*args, **kwargs)
        if not (holds(ARRAYS, args) or holds(ARRAYS, kwargs.values())):
            return function(*args, **kwargs)
        args, kwargs = map_nested(to_tensor, (args, kwargs))
        return map_nested(as_array, function(*args, **kwargs))

    return face


def method(function: Callable) -> Callable:
    """Makes `function` a method of Tensor; returns it as the torch function, which takes arrays too."""
    setattr(Tensor, function.__name__, function)
    return lifted(function)


ARRAYS = (jax.Array, np.ndarray)


def holds(kind: Any, values: Iterable) -> bool:
    """Whether any of `values` is an instance of `kind`, looking into tuples, lists and dicts."""
    for x in values:
        if isinstance(x, kind):
            return True
        if isinstance(x, (tuple, list)) and holds(kind, x):
            return True
        if isinstance(x, dict) and holds(kind, x.values()):
            return True
    return False


def any_requires_grad(values: Iterable) -> bool:
    """Whether a Tensor among `values`, or in a sequence among them, requires a gradient."""
    for x in values:
        if isinstance(x, Tensor):
            if x.requires_grad:
                return True
        elif isinstance(x, (tuple, list)) and any_requires_grad(x):
            return True
    return False


def to_tensor(x: Any) -> Any:
    """An array as a Tensor; anything else unchanged, JAX's random keys too."""
    if isinstance(x, jax.Array):
        return wrap(x) if isinstance(x.dtype, np.dtype) else x
    if isinstance(x, np.ndarray):
        with _enable_x64(True):
            return wrap(jax.numpy.asarray(x))
    return x


def map_nested(function: Callable, x: Any) -> Any:
    """`function` of every leaf of nested tuples, lists, mappings and dataclasses (types kept)."""
    if isinstance(x, tuple):
        if hasattr(x, "_with_parts"):  # a PackedSequence: not all of it is data
            return x._with_parts([map_nested(function, one) for one in x._parts])  # type: ignore[attr-defined]
        items = [map_nested(function, one) for one in x]
        return type(x)(*items) if hasattr(x, "_fields") else type(x)(items)
    if isinstance(x, list):
        return [map_nested(function, one) for one in x]
    if isinstance(x, dict):
        items = {key: map_nested(function, one) for key, one in x.items()}
        return items if type(x) is dict else _as_mapping(x, items)
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        names = [f.name for f in dataclasses.fields(x) if f.init]
        return dataclasses.replace(x, **{n: map_nested(function, getattr(x, n)) for n in names})
    return function(x)


def _as_mapping(like: dict, items: dict) -> Any:
    """`items` in the mapping class of `like` (OrderedDict, a ModelOutput dataclass, ...)."""
    fresh = copy.copy(like)
    for key, value in items.items():
        fresh[key] = value
    return fresh


class _TracedHere:
    """Stands in a static key where an argument that may be static was traced."""


_TRACED_HERE = _TracedHere()


def is_traced_here(value: Any) -> bool:
    """Whether a static argument stands for one that was traced."""
    return value is _TRACED_HERE


_UNFROZEN = frozenset(
    {list, tuple, np.ndarray, *(np.dtype(code).type for code in np.typecodes["AllInteger"])}
)


def _freeze(x: Any) -> Any:
    """A static argument as something hashable: lists as tuples, tensors and NumPy ints as numbers."""
    if isinstance(x, (list, tuple)):
        return tuple(map(_freeze, x))
    if isinstance(x, (Tensor, np.ndarray, np.generic, jax.Array)):
        array = as_array(x)
        if isinstance(array, jax.core.Tracer):
            return array
        array = np.asarray(array)
        return array.item() if array.ndim == 0 else tuple(array.tolist())
    return x


def _build(row: Row, static: list) -> Any:
    return jax.jit(pure(row, static))


def pure(row: Row, static: Sequence) -> Callable:
    """The row's function of its traced arguments, its static arguments fixed."""
    fixed, fills = [], []
    rest = iter(static)
    for position, kind in enumerate(row.kinds):
        value = _TRACED_HERE if kind in (TRACED, LIST, MIXED) else next(rest)
        if value is _TRACED_HERE:
            fills.append(position)
        else:
            fixed.append((position, value))
    return _registry.partial(row, tuple(fixed), tuple(fills))


def _as_meta(arrays: list) -> list:
    """Arrays with a meta tensor among them: real ones count by shape and type only."""
    return [
        jax.tree.map(lambda a: _META(a.shape, a.dtype) if hasattr(a, "shape") else a, one)
        for one in arrays
    ]


# Asked of a call that failed: what objects that are no tensors make of it, or NotImplemented.
strangers: list[Callable[[Row, tuple], Any]] = []


def _refused(row: Row, args: tuple, error: Exception) -> Any:
    """What a call with an argument of a wrong type gives: some objects answer it themselves."""
    for ask in strangers:
        result = ask(row, args)
        if result is not NotImplemented:
            return result
    raise _bad_argument(row, args) or error from None


def _bad_argument(row: Row, args: tuple) -> TypeError | None:
    """torch's error for an argument that is missing, or is not a tensor where one is needed."""
    _registry.check_given(
        row.name, [name for name, x in zip(row.names, args) if x is _registry.MISSING]
    )
    for position, (kind, name, x) in enumerate(zip(row.kinds, row.names, args), 1):
        if kind is not TRACED and kind is not EITHER or x is None:
            continue
        if not isinstance(x, (Tensor, jax.Array, np.ndarray, np.generic, _META, *_NUMBERS)):
            return TypeError(
                f"{row.name}(): argument '{name}' (position {position}) must be Tensor, "
                f"not {type(x).__name__}"
            )
    return None


def _wrap(
    row: Row, out: Any, args: tuple, arrays: list, static: list, tensors: Any, places: list[int]
) -> Any:
    node = None
    if tensors is not None and row.differentiable and state.grad_enabled:
        for t in tensors:
            if t._requires_grad or (t._graph_version is not None and t.requires_grad):
                node = Node(row, arrays, static, tensors, places)
                break
    if isinstance(out, (tuple, list)):
        wrapped = [_box(one, node, i) for i, one in enumerate(out)]
        if row.order is not None and tensors is not None:
            keep_order(row, wrapped, tensors)
        if node is not None:
            _saving.note(node, row, args, wrapped)
        return type(out)(wrapped) if row.returns is None else _named(row)(*wrapped)
    box = _box(out, node, 0)
    if row.order is not None and tensors is not None:
        keep_order(row, (box,), tensors)
    if node is None:
        return box
    _saving.note(node, row, args, [box])
    return box


def _box(value: Any, node: Node | None, index: int) -> Tensor:
    from_new = blank()
    from_new._cell = Cell(value)
    if node is not None and value.dtype in _DIFFERENTIABLE:
        node.made(from_new, index, value.shape, value.dtype)
    return from_new


_DIFFERENTIABLE = {
    one.numpy for one in _dtype.BY_NAME.values() if one.is_floating_point or one.is_complex
}


def _view(row: Row, args: tuple) -> Any:
    """A view op on a tensor: nothing is computed, the result is another layout over the same storage.

    None where the op has to compute: on bare arrays (the rule still checks them), or a copy.
    """
    source = args[0]
    if isinstance(source, Tensor):
        layout = row.view(source._layout_now(), *map(_freeze, args[1:]))  # type: ignore[misc]
    elif hasattr(source, "shape"):
        row.view(_layout.contiguous(tuple(source.shape)), *map(_freeze, args[1:]))  # type: ignore[misc]
        return None
    else:
        return None
    if layout is None:
        return None
    node = recorded_view(row, args) if state.grad_enabled and source.requires_grad else None
    if isinstance(layout, list):
        views = tuple(viewed(source, one, node, i) for i, one in enumerate(layout))
        if state.grad_enabled:
            for one in views:
                one._closed = "several"
        return views
    return viewed(source, layout, node)


def recorded_view(row: Row, args: tuple) -> Node:
    """The node of a view op, which needs no values to be differentiated."""
    source = args[0]
    shape = _META(tuple(source.shape), source._cell.value.dtype)
    arrays, static, *_ = _bind(row, (shape, *args[1:]))
    return Node(row, arrays, static, [source], [0])


def viewed(
    source: Tensor, layout: _layout.Layout, node: Node | None = None, index: int = 0
) -> Tensor:
    """The view of `source` with this layout over its storage, made by `node` if recording."""
    result = blank()
    cell = result._cell = source._cell
    shape = tuple(cell.value.shape)
    if layout[0] != shape or layout != _layout.contiguous(shape):
        result._layout = layout
    result._is_view_of = source if source._is_view_of is None else source._is_view_of
    result._graph_version = cell.version
    if source._silent is not None:
        result._silent = source._silent
    if state.grad_enabled:
        result._closed = source._closed
    else:
        result._closed = "inference" if state.inference else "no_grad"
    if node is not None:
        node.made(result, index, layout[0], cell.value.dtype)
    return result


_named_tuples: dict[str, type] = {}


def _named(row: Row) -> type:
    found = _named_tuples.get(row.name)
    if found is None:
        found = return_type(row.name, row.returns or ())
        _named_tuples[row.name] = found
    return found


def return_type(name: str, fields: Sequence[str]) -> type:
    """A named tuple that prints as `torch.return_types.<name>(...)`."""
    kind = collections.namedtuple(name, fields)

    def __repr__(self) -> str:
        inside = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self))
        return f"torch.return_types.{name}(\n{inside})"

    kind.__repr__ = __repr__
    kind.__module__ = "torch.return_types"
    return kind
