"""Calling a wrapped NNX model: on a copy of it that is given the values, so that no trace leaks.

Results, changed state and gradients come out of one pure function of the values and the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import jax

from converters._flax import _nnx
from converters._flax._cells import FlaxCell, Slice, ZeroBox
from converters._flax._layouts import SAME
from converters._flax._module import FlaxModule, StackedModule, buffer
from torchcompat._tensor import Tensor, as_array
from torchcompat._tensor import wrap as boxed
from torchcompat._tensor._dispatch import map_nested, to_tensor
from torchcompat._tensor._state import state
from torchcompat.autograd.function import Function
from torchcompat.nn.modules import _global

_SHORT = {"int64": "int32", "uint64": "uint32", "float64": "float32", "complex128": "complex64"}
# While a model runs: by identity of a wrapper, the copy of its Flax module that is running; and by
# identity of such a copy, the wrapper.
_running: dict[int, tuple[Any, Any]] = {}
_faces: dict[int, FlaxModule] = {}


def run(module: FlaxModule, args: tuple, kwargs: dict) -> Any:
    """What `module` computes, with gradients recorded and its state updated."""
    if id(module) in _running:
        return _run_inner(module, args, kwargs)
    call = module.__dict__.get("_call_type", Call)(module, args, kwargs)
    tensors = [*call.state, *call.inputs]
    if state.grad_enabled and any(t.requires_grad for t in tensors):
        call.refuse_backward_hooks()
        outputs = _Recorded.apply(call, *tensors)
        outputs = [t._read() if i >= call.results else t for i, t in enumerate(outputs)]
    else:
        outputs = call.compute([t._read() for t in tensors])
    call.keep(outputs[call.results :])
    return map_nested(to_tensor, call.rebuild(outputs[: call.results]))


def _run_inner(module: FlaxModule, args: tuple, kwargs: dict) -> Any:
    function, call = _running[id(module)]
    args, kwargs = map_nested(as_array, (args, kwargs))
    call.note(args, kwargs)
    result = function(*args, **kwargs)
    call.note(result)
    return map_nested(to_tensor, result)


class _Recorded(Function):
    """The call as one node of the graph; its gradients come from running it again under `jax.vjp`."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> tuple:
        call.recording = True
        values = [t._read() for t in tensors]
        ctx.call, ctx.needed = call, ctx.needs_input_grad[1:]
        ctx.save_for_backward(*map(boxed, values))
        outputs = [boxed(x) for x in call.compute(values)]
        ctx.smooth = [i < call.results and _smooth(t) for i, t in enumerate(outputs)]
        ctx.mark_non_differentiable(*(t for t, s in zip(outputs, ctx.smooth) if not s))
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple:
        values = [t._read() for t in ctx.saved_tensors]
        places = [i for i, needed in enumerate(ctx.needed) if needed]

        def results(*chosen: Any) -> list:
            given = list(values)
            for i, x in zip(places, chosen):
                given[i] = x
            outputs = ctx.call.compute(given, hooked=False)
            return [x for x, smooth in zip(outputs, ctx.smooth) if smooth]

        _, pull = jax.vjp(results, *(values[i] for i in places))
        found = pull([g._read() for g, smooth in zip(gradients, ctx.smooth) if smooth])
        slots: list = [None] * len(values)
        for i, x in zip(places, found):
            slots[i] = boxed(x)
        return None, *slots


class Call:
    """One call of a wrapped model.

    Attributes:
        state: tensors on the model's variables: parameters, buffers, states of random streams.
        inputs: the tensors among the arguments.
        results: of what `compute` gives, how many are results; then come the changed variables.
        recording: gradients are recorded.
        wide: the model runs with 64 bits, when JAX runs it again to differentiate too.
    """

    def __init__(self, module: FlaxModule, args: tuple, kwargs: dict) -> None:
        self.module, self.given, self.recording = module, (args, kwargs), False
        self.wide = wide()
        self.paths: dict[int, tuple] = {}
        self.variables: dict[tuple, Any] = {}
        for path, x in self._located():
            if id(x) not in self.paths:
                self.paths[id(x)], self.variables[path] = path, x
        self.state = [*self._shown(), *self._hidden()]
        self.inputs: list[Tensor] = []
        map_nested(lambda x: self.inputs.append(x) if isinstance(x, Tensor) else None, self.given)
        self.results = 0
        self.new: dict[tuple, Any] = {}
        self.changed: list[tuple] = []
        self._seen: set[int] = set()

    def _located(self) -> Iterator[tuple[tuple, Any]]:
        """The model's variables with their paths."""
        return (x for x in _nnx.walk(self.module.flax_module) if _nnx.is_variable(x[1]))

    def _shown(self) -> list[Tensor]:
        """Parameters and buffers that lie in this module's variables."""
        found = {}
        for name, t in (*self.module.named_parameters(), *self.module.named_buffers()):
            if isinstance(t._cell, FlaxCell):
                found[id(t)] = t
            elif "num_batches_tracked" not in name:
                raise NotImplementedError(
                    f"{name} was replaced by a tensor that is not the Flax model's; copy_ into it"
                )
        return list(found.values())

    def _hidden(self) -> list[Tensor]:
        """Tensors on the variables without a torch name, such as how far random streams have come."""
        kept = self.module.__dict__.setdefault("_flax_hidden", {})
        cells: Any = [t._cell for t in self._shown()]
        shown = {id(box.variable) for cell in cells for box in cell.held}
        hidden = [
            v
            for v in self.variables.values()
            if id(v) not in shown
            and not _nnx.is_flax(v, "RngKey")
            and hasattr(_nnx.raw(v), "dtype")
        ]
        for v in hidden:
            if id(v) not in kept:
                cell = FlaxCell([_nnx.VariableBox(v)], SAME)
                cell.serial = 0  # the variable is older than a capture that meets it first
                kept[id(v)] = buffer(cell)
        return [kept[id(v)] for v in hidden]

    def refuse_backward_hooks(self) -> None:
        for name, child in self.module.named_modules():
            if child is not self.module and (child._backward_hooks or child._backward_pre_hooks):
                raise NotImplementedError(
                    f"backward hooks on {name}, inside of a wrapped Flax model; its root can have them"
                )

    # -- the pure function -------------------------------------------------------------------------

    def compute(self, values: list, hooked: bool = True) -> list:
        """The arrays among the results, then the changed variables, of the values of all tensors."""
        library = _nnx.library()
        with jax.enable_x64(self.wide):
            definition, held = library.split(self.module.flax_module)
            copy = library.merge(definition, jax.tree.map(lambda x: x, held))
            nodes = dict(_nnx.walk(copy))
            before = self._fill(nodes, values)
            result = self._called(copy, nodes, values[len(self.state) :], hooked)
        after = {p: x for p, x in _nnx.walk(copy) if _nnx.is_variable(x)}
        self._check_new(before, after)
        return self._flat(result, before, {p: _nnx.raw(x) for p, x in after.items()})

    def _flat(self, result: Any, before: dict, after: dict) -> list:
        """The arrays among the results and then the changed variables; notes which is which."""
        leaves, self.form = jax.tree.flatten(result)
        self.arrays = [i for i, x in enumerate(leaves) if isinstance(x, jax.Array)]
        self.rest = leaves
        self.changed = [p for p in self.variables if p in after and after[p] is not before[p]]
        self.results = len(self.arrays)
        found = [leaves[i] for i in self.arrays]
        for i in self.arrays:
            leaves[i] = None
        return found + [after[p] for p in self.changed]

    def _fill(self, nodes: dict, values: list) -> dict:
        """Puts the values into the copy's variables; gives every variable's value by path."""
        for place, array in self._arrays(values).items():
            _nnx.set_raw(nodes[place], array)
        return {p: _nnx.raw(x) for p, x in nodes.items() if _nnx.is_variable(x)}

    def _arrays(self, values: list) -> dict[tuple, Any]:
        """The arrays of the variables, by path, that the values of the model's tensors stand for."""
        whole: dict[tuple, Any] = {}
        stacked: dict[tuple, list] = {}
        for tensor, value in zip(self.state, values):
            cell: Any = tensor._cell
            for box, part in zip(cell.boxes, cell.split(value)):
                if isinstance(box, Slice):
                    stacked.setdefault(self._place(box.variable), []).append((box.index, part))
                elif not isinstance(box, ZeroBox):
                    whole[self._place(box.variable)] = part
        for place, parts in stacked.items():
            whole[place] = jax.numpy.stack([part for _, part in sorted(parts, key=lambda x: x[0])])
        return whole

    def _called(self, copy: Any, nodes: dict, inputs: list, hooked: bool) -> Any:
        args, kwargs = self._arguments(inputs)
        faces = self._watched(nodes) if hooked else {}
        if not faces:
            return copy(*args, **kwargs)
        with _Routes(faces, self):
            return _own_call(copy)(copy, *args, **kwargs)

    def _arguments(self, inputs: list) -> Any:
        arrays = iter(inputs)
        return map_nested(
            lambda x: _narrow(next(arrays)) if isinstance(x, Tensor) else x, self.given
        )

    def _hooked(self) -> dict[int, FlaxModule]:
        """By their Flax modules, the wrappers with hooks to run; a compile learns of them all."""
        inner = [m for m in self.module.modules() if isinstance(m, FlaxModule)]
        if any(isinstance(m, StackedModule) and _has_hooks(m) for m in inner):
            raise NotImplementedError(
                "forward hooks on layers stacked by a lifted transform (vmap, scan), which runs them as "
                "one; hook the module above them"
            )
        inner = [m for m in inner if not isinstance(m, StackedModule)]
        wanted = {id(m.flax_module): m for m in inner if m is not self.module}
        if state.capture is not None:
            for m in wanted.values():
                state.capture.called(m)
        if not (_global.forward_hooks or _global.forward_pre_hooks):
            wanted = {key: m for key, m in wanted.items() if _has_hooks(m)}
        return wanted

    def _watched(self, nodes: dict) -> dict[int, tuple[Any, FlaxModule]]:
        """The copies of modules whose wrappers have hooks to run."""
        wanted = self._hooked()
        if not wanted:
            return {}
        original = dict(_nnx.walk(self.module.flax_module))
        found = {}
        for path, node in nodes.items():
            face = wanted.get(id(original.get(path)))
            if face is not None:
                found[id(node)] = node, face
        return found

    def _check_new(self, before: dict, after: dict) -> None:
        """Notes the variables that the call has made; a compiled call has no place to keep them."""
        kept = {p: x for p, x in after.items() if not _nnx.is_flax(x, "Intermediate")}
        self.new = {p: x for p, x in kept.items() if p not in before}
        if self.new and state.capture is not None:
            self._refuse_new(min(self.new))
        gone = [p for p in self.variables if p not in after]
        if gone:
            raise NotImplementedError(f"a call that deletes a variable, {'.'.join(gone[0])}")

    def _refuse_new(self, path: tuple) -> None:
        raise NotImplementedError(
            f"a call that makes a new variable, {'.'.join(path)}, in a compiled Flax model; "
            "call the model once before"
        )

    # -- what comes after --------------------------------------------------------------------------

    def keep(self, arrays: list) -> None:
        """Writes the changed variables to the model."""
        for path, array in zip(self.changed, arrays):
            variable = self.variables[path]
            self._set(variable, array)
        self._add_new()
        changed = set(self.changed)
        for tensor in self.state:
            cell: Any = tensor._cell
            if any(self._place(box.variable) in changed for box in cell.held):
                cell.version += 1

    def _add_new(self) -> None:
        """Gives the model the variables that the call has made."""
        homes = dict(_nnx.walk(self.module.flax_module)) if self.new else {}
        for path, x in self.new.items():
            if isinstance(_nnx.raw(x), jax.core.Tracer):
                self._refuse_new(path)
            setattr(homes[path[:-1]], path[-1], type(x)(_nnx.raw(x)))

    def _place(self, variable: Any) -> tuple:
        """The variable's path."""
        return self.paths[id(variable)]

    def _set(self, variable: Any, array: Any) -> None:
        _nnx.set_raw(variable, array)

    def rebuild(self, outputs: list) -> Any:
        """The results in the structure that the Flax model gave them."""
        leaves = list(self.rest)
        for i, x in zip(self.arrays, outputs):
            leaves[i] = x
        return jax.tree.unflatten(self.form, leaves)

    def note(self, *values: Any) -> None:
        map_nested(lambda x: self._seen.add(id(x)), values)

    def check_unchanged(self, *values: Any) -> None:
        """Hooks may look while gradients are recorded; these come from a run without hooks."""

        def check(x: Any) -> None:
            if self.recording and isinstance(x, jax.Array) and id(x) not in self._seen:
                raise NotImplementedError(
                    "a forward hook that changes values inside of a wrapped Flax model while "
                    "gradients are recorded; use no_grad, or hook the root"
                )

        map_nested(check, values)


def _has_hooks(module: FlaxModule) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._compiled_call_impl is not None
    )


class _Routes:
    """While it is entered, the copies of the watched modules call their wrappers."""

    def __init__(self, faces: dict[int, tuple[Any, FlaxModule]], call: Call) -> None:
        self.faces, self.call = faces, call

    def __enter__(self) -> None:
        for key, (node, face) in self.faces.items():
            _faces[key] = face
            _running[id(face)] = partial(_own_call(node), node), self.call
            object.__setattr__(node, "__class__", _routed(type(node)))

    def __exit__(self, *exc: object) -> None:
        for key, (node, face) in self.faces.items():
            _faces.pop(key, None)
            _running.pop(id(face), None)
            object.__setattr__(node, "__class__", type(node).__mro__[1])


@cache
def _routed(kind: type) -> type:
    """A subclass of a Flax class whose call goes by the wrapper, with its hooks."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        face = _faces.get(id(self))
        if face is None:
            return kind.__call__(self, *args, **kwargs)  # type: ignore[operator]
        call = _running[id(face)][1]
        result = face(*args, **kwargs)
        call.check_unchanged(result)
        return result

    return type(kind.__name__, (kind,), {"__call__": __call__, "_tc_routes": kind})


def _own_call(node: Any) -> Callable:
    kind = getattr(type(node), "_tc_routes", type(node))
    return kind.__call__


def wide() -> bool:
    """Whether the caller's JAX has 64 bits: Flax runs as it would without torchcompat around it.

    A compile traces with 64 bits of its own; a fresh thread sees what is set for the process.
    """
    if state.capture is None:
        return bool(jax.config.read("jax_enable_x64"))
    with ThreadPoolExecutor(1) as fresh:
        return bool(fresh.submit(jax.config.read, "jax_enable_x64").result())


def _narrow(x: Any) -> Any:
    """A 64-bit input as `jnp.asarray` makes it where JAX has 32 bits."""
    name = None if jax.config.read("jax_enable_x64") else _SHORT.get(str(x.dtype))
    if name is None:
        return x
    with jax.enable_x64(True):
        return x.astype(name)


def _smooth(t: Tensor) -> bool:
    return t.dtype.is_floating_point or t.dtype.is_complex
