"""Makes the public functions of the registry's rows: `torchcompat.f`, `Tensor.f`, `Tensor.f_`, `F.f`.

One function is compiled for each shape of signature; a row's own has the row's argument names and defaults
put into it, so that it costs one Python call.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

import jax

from torchcompat import _dtype
from torchcompat._deterministic import uninitialized
from torchcompat._ops._registry import MISSING, ROWS, Row, forget_executables
from torchcompat._tensor import _dispatch
from torchcompat._tensor._graph import closed_view, writing
from torchcompat._tensor._outs import WITHOUT, check_out_type, warn_resized
from torchcompat._tensor._spellings import SPELLINGS
from torchcompat._tensor._state import epoch, state
from torchcompat._tensor._tensor import Tensor


def _call_extra(row: Row, args: tuple, extra: dict[str, Any], more: tuple) -> Any:
    """A call with arguments that are not in the op's own signature: `out=`, `axis=`, `keepdims=`."""
    out = None if row.name in WITHOUT else extra.pop("out", None)
    values = _respelled(row, row.name, args, extra, more)
    if out is None:
        return _dispatch.call(row, values)
    check_out(row.name, (*values, out))
    result = _dispatch.call(row, values)
    return into(out, result, row.name)


def _inplace_extra(run: Callable, row: Row, args: tuple, extra: dict[str, Any], more: tuple) -> Any:
    """The in-place form of a call with arguments that are not in the op's own signature."""
    return run(row, _respelled(row, f"{row.name}_", args, extra, more))


# op -> what numbers among its tensors mean: `add(x, 2, y)` is torch's old `add(x, y, alpha=2)`.
_OLD_NUMBERS = {
    **dict.fromkeys(("add", "sub"), ("alpha",)),
    **dict.fromkeys(("addcmul", "addcdiv"), ("value",)),
    **dict.fromkeys(("addmm", "addmv", "addr", "addbmm", "baddbmm"), ("beta", "alpha")),
}


def _in_old_order(row: Row, title: str, args: tuple, more: tuple) -> list:
    """The op's arguments of a call in torch's old form, with numbers among the tensors.

    Raises:
        TypeError: the op has no such form.
    """
    count = len(row.names) - row.kwonly
    given = (*args[:count], *more)
    tensors = [x for x in given if not isinstance(x, (int, float, complex))]
    numbers = [x for x in given if isinstance(x, (int, float, complex))]
    if row.name == "add" and len(numbers) == 2:
        tensors.append(numbers.pop())
    words = _OLD_NUMBERS.get(row.name, ())
    if len(tensors) != count or len(numbers) > len(words):
        least = sum(name not in row.defaults for name in row.names[:count])
        spread = f"{count}" if least == count else f"from {least} to {count}"
        raise TypeError(
            f"{title}() takes {spread} positional argument{'s' if count > 1 else ''} but "
            f"{len(given)} were given"
        )
    values = [*tensors, *args[count:]]
    for word, number in zip(words, numbers):
        values[row.names.index(word)] = number
    return values


def _respelled(row: Row, title: str, args: tuple, extra: dict[str, Any], more: tuple) -> tuple:
    """The op's arguments, those in old places or under NumPy's names put in their places."""
    values = _in_old_order(row, title, args, more) if more else list(args)
    for word, value in extra.items():
        name = SPELLINGS.get(word)
        if name not in row.names:
            raise TypeError(f"{title}() got an unexpected keyword argument '{word}'")
        values[row.names.index(name)] = value
    return tuple(values)


def check_out(name: str, tensors: Iterable) -> None:
    """Raises torch's error for `out=` where a tensor, or one in a list of them, requires a gradient.

    Raises:
        RuntimeError: one does.
        NotImplementedError: one has a tangent.
    """
    if state.forward is not None and any(
        state.forward.tangent(x) is not None for x in _flat_tensors(tensors)
    ):
        raise NotImplementedError(
            f"Trying to use forward AD with {name}_out that does not support it because it is an out= "
            "function"
        )
    if state.grad_enabled and _dispatch.any_requires_grad(tensors):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but "
            "one of the arguments requires grad."
        )


def _flat_tensors(tensors: Iterable) -> list[Tensor]:
    return [x for x in jax.tree.leaves(tuple(tensors), is_leaf=_is_tensor) if _is_tensor(x)]


def _is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def into(out: Any, result: Any, name: str = "") -> Any:
    """Writes a result (or each of several) into `out`, resizing it where its size differs.

    Args:
        name: the op, where torch wants results of some ops to have the type of `out`.
    """
    check_out_type(name, out, result)
    if isinstance(out, (tuple, list)):
        for box, value in zip(out, result):
            into(box, value)
        fields = getattr(result, "_fields", None)
        return out if fields is None else _out_type(type(result).__name__, fields)(*out)
    check_castable(result.dtype, out.dtype)
    if out.shape != result.shape:
        warn_resized(out, tuple(result.shape))
        resize(out, tuple(result.shape))
    write(out, result)
    return out


@functools.lru_cache
def _out_type(name: str, fields: tuple[str, ...]) -> type:
    return _dispatch.return_type(f"{name}_out", fields)


def resize(tensor: Tensor, size: tuple[int, ...]) -> None:
    """Gives `tensor` a fresh, uninitialised storage of another size."""
    with jax.enable_x64(True):
        fresh = jax.numpy.full(size, uninitialized(tensor.dtype), tensor.dtype.numpy)
    tensor._layout = None
    tensor._cell.write(fresh)


def check_castable(source: _dtype.dtype, to: _dtype.dtype) -> None:
    """Raises torch's error where a result may not be stored as `to` (float into integer, ...)."""
    rank = {True: 3}
    order = [
        rank.get(d.is_complex, 2 if d.is_floating_point else 0 if d is _dtype.bool_ else 1)
        for d in (source, to)
    ]
    if order[0] > order[1]:
        raise RuntimeError(
            f"result type {_dtype.scalar_name(source)} can't be cast to the desired output type "
            f"{_dtype.scalar_name(to)}"
        )


def check_inplace(target: Tensor) -> None:
    """Raises torch's error for an in-place write that autograd forbids."""
    if target._cell.inference and not state.inference:
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a "
            "clone to get a normal tensor before doing inplace update.See "
            "https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    if not state.grad_enabled:
        return
    base = target._is_view_of
    if target._closed and (target._requires_grad or (base is not None and base._requires_grad)):
        raise RuntimeError(closed_view(target))
    if target._requires_grad and target._grad_fn is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation."
        )
    if base is not None and base._requires_grad and base._grad_fn is None:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )


def write(target: Tensor, result: Any, uniform: bool = False) -> Tensor:
    """Stores `result` in `target`: broadcast to its size, cast to its type, seen by all its aliases.

    The target takes over the result's place in the graph.

    Args:
        uniform: the elements are all one value, so it does not matter if some share memory.
    """
    shape, kind = tuple(target.shape), target.dtype.numpy
    if isinstance(target._cell.value, jax.ShapeDtypeStruct):
        return target
    if state.forward is not None:
        state.forward.written(target, result)
    recording = state.grad_enabled and isinstance(result, Tensor)
    if recording and (result.requires_grad or target.requires_grad):
        if result.dtype is not target.dtype or result.shape != target.shape:
            result = result.expand(shape).to(target.dtype)
        note = writing(target, result)
        target._write(result._read(), uniform)
        note()
        return target
    value = result._read() if isinstance(result, Tensor) else result
    if value.dtype != kind or tuple(value.shape) != shape:
        with jax.enable_x64(True):
            value = jax.numpy.broadcast_to(value, shape).astype(kind)
    target._write(value, uniform)
    return target


# What writes one value everywhere may write to elements that share memory.
_UNIFORM = {"fill", "zero"}


def _inplace(row: Row, args: tuple) -> Any:
    target = args[0]
    if not isinstance(target, Tensor):
        raise TypeError(
            f"{row.name}_(): argument 'input' (position 1) must be Tensor, not {type(target).__name__}"
        )
    check_inplace(target)
    result = _dispatch.call(row, args)
    check_castable(result.dtype, target.dtype)
    if result.shape != target.shape:
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape "
            f"{list(result.shape)}"
        )
    return write(target, result, row.name in _UNIFORM)


def _inplace_view(row: Row, args: tuple) -> Tensor:
    """`t_`, `squeeze_`, `transpose_` ...: the same storage under another layout."""
    target = args[0]
    check_inplace(target)
    try:
        view = _dispatch.call(row, args)
    except RuntimeError as error:
        # torch names the method that was called.
        raise RuntimeError(str(error).replace(f"{row.name}()", f"{row.name}_()", 1)) from None
    return relayout(target, view)


def relayout(target: Tensor, view: Tensor) -> Tensor:
    """Makes `target` what its own `view` is, its place in the graph included."""
    target._layout, target._seen = view._layout, None
    if state.grad_enabled:
        target._grad_fn, target._output_nr = view._grad_fn, view._output_nr
    touch(target)
    epoch.advance()
    return target


def touch(target: Tensor) -> None:
    """Counts a change of `target` that writes no values."""
    target._cell.version += 1
    target._count_unseen()


def _spread(values: tuple, extra: dict[str, Any], name: str) -> Any:
    """A size or list of dimensions given as one sequence, spread out, or by keyword."""
    if not values and name in extra:
        return extra.pop(name)
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        return tuple(values[0])
    return values


_call = _dispatch.call
# The body of a form of function; `tup` is the tuple of all arguments.
_BODIES = {
    "plain": """
    if {more}extra_: return _call_extra(row, {tup}, extra_, {given})
    return _call(row, {tup})""",
    "functional": """
    if {more}extra_: return _call_extra(row, {tup}, extra_, {given})
    if inplace: return _inplace(row, {tup})
    return _call(row, {tup})""",
    "inplace": """
    if {more}extra_: return _inplace_extra(_inplace, row, {tup}, extra_, {given})
    return _inplace(row, {tup})""",
    "inplace view": """
    if {more}extra_: return _inplace_extra(_inplace_view, row, {tup}, extra_, {given})
    return _inplace_view(row, {tup})""",
}


@functools.cache
def _shaped(kinds: str, form: str) -> Callable:
    """What makes the functions of one shape: `(row, word)`, the name of what comes spread out.

    Their arguments are called `a0`, `a1` ...: compiling one function a shape is quick, one a row is not.

    Args:
        kinds: for each argument `p` (by position), `k` (by name alone) or `*` (spread out).
    """
    head = [f"*a{i}" if kind == "*" else f"a{i}" for i, kind in enumerate(kinds)]
    values = [f"_spread(a{i}, extra_, word)" if k == "*" else f"a{i}" for i, k in enumerate(kinds)]
    if form == "functional":
        head.insert(kinds.rfind("p") + 1, "inplace")
    spread = "*" in kinds
    if not spread:
        head.insert(kinds.rfind("p") + 1 + (form == "functional"), "*more_")
    body = _BODIES[form].format(
        more="" if spread else "more_ or ",
        given="()" if spread else "more_",
        tup=f"({', '.join(values)},)",
    )
    source = f"def make(row, word):\n  def face({', '.join(head)}, **extra_):{body}\n  return face"
    made: dict[str, Callable] = {}
    exec(compile(source, "<torchcompat ops>", "exec"), globals(), made)  # noqa: S102
    return made["make"]


def _face(row: Row, form: str) -> Callable:
    """One function of `row`; `form` is `plain`, `inplace` or `functional`."""
    if form == "inplace" and row.view is not None:
        form = "inplace view"
    kinds, starred = "", False
    for i, name in enumerate(row.names):
        spread = name == row.varargs
        kinds += "*" if spread else "k" if starred or i >= len(row.names) - row.kwonly else "p"
        starred |= spread
    face = _shaped(kinds, form)(row, row.varargs)
    code = face.__code__
    words = {f"a{i}": name for i, name in enumerate(row.names)}
    names = tuple(words.get(x, x) for x in code.co_varnames)
    face.__code__ = code.replace(co_varnames=names, co_name=row.name)
    # Any argument but the first may come under NumPy's name.
    defaults = {**dict.fromkeys(row.names[1:], MISSING), **row.defaults, "inplace": False}
    by_place, by_name = (
        names[: code.co_argcount],
        names[code.co_argcount :][: code.co_kwonlyargcount],
    )
    face.__defaults__ = tuple(defaults[x] for x in by_place if x in defaults)
    face.__kwdefaults__ = {x: defaults[x] for x in by_name if x in defaults}
    return face


def _titled(function: Callable, title: str, row: Row, face: str | None = None) -> Callable:
    """Names a function as the place where it is found, so that it can be pickled."""
    function.__name__ = function.__qualname__ = title
    function.__doc__ = row.fn.__doc__
    if face is None and "functional" in row.faces and "torch" not in row.faces:
        face = "functional"
    function.__module__ = "torchcompat.nn.functional" if face == "functional" else "torchcompat"
    return function


def build(rows: Iterable[Row]) -> dict[str, dict[str, Callable]]:
    """The functions of all rows, by face: `{"torch": {"relu": ...}, "functional": {...}, ...}`.

    The face `all` has the plain function of every row. Methods and in-place methods are attached to
    `Tensor` on the way.
    """
    faces: dict[str, dict[str, Callable]] = {"all": {}}
    for row in rows:
        plain = faces["all"][row.name] = _titled(_face(row, "plain"), row.name, row)
        _place(row, plain, faces)
    return faces


def twin(function: Any, name: str) -> Callable:
    """The same function as an object of its own, for another name: torch has two as well."""
    same = types.FunctionType(
        function.__code__, function.__globals__, name, function.__defaults__, function.__closure__
    )
    same.__kwdefaults__, same.__doc__ = function.__kwdefaults__, function.__doc__
    same.__qualname__, same.__module__ = name, function.__module__
    same.__dict__.update(function.__dict__)
    return same


def separate(namespace: dict[str, Any]) -> None:
    """Gives `Tensor.f` a function of its own, of this name, where it is that of a namespace."""
    for name, value in list(vars(Tensor).items()):
        if not isinstance(value, types.FunctionType):
            continue
        if namespace.get(name) is value or value.__name__ != name:
            own = twin(value, name)
            own.__qualname__ = f"Tensor.{name}"
            setattr(Tensor, name, own)


def _place(row: Row, plain: Callable, faces: dict[str, dict[str, Callable]]) -> None:
    titles = (row.name, *row.aliases)
    for face in row.faces - {"method", "inplace"}:
        one = plain
        if face == "functional" and "inplace" in row.faces:
            one = _titled(_face(row, "functional"), row.name, row, face)
        for title in titles:
            shown = title.removeprefix(f"{face}_")
            faces.setdefault(face, {})[shown] = one if title == row.name else twin(one, title)
    if "method" in row.faces:
        for title in titles:
            setattr(Tensor, title, plain)
    if "inplace" in row.faces:
        inplace = _titled(_face(row, "inplace"), f"{row.name}_", row)
        # torch's activations have `F.f_`, and `Tensor.f_` only where `Tensor.f` exists.
        if "method" in row.faces or "functional" not in row.faces:
            for title in titles:
                setattr(Tensor, f"{title}_", inplace)
        for face in row.faces & {"torch", "functional"}:
            for title in titles:
                same = inplace if title == row.name else twin(inplace, f"{title}_")
                faces.setdefault(face, {})[f"{title}_"] = same


_dtype.on_default_changed += [forget_executables, epoch.advance]
FUNCTIONS = build(ROWS.values())
