"""The context of a Function: what its methods share, and the node that it records."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax

from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._engine import FREED
from torchcompat._tensor._graph import same_storage
from torchcompat._tensor._nodes import GraphNode
from torchcompat._tensor._saving import HOOKED, Mark, stack
from torchcompat._tensor._state import sequence, state
from torchcompat.autograd._saved import SavedNone, SavedTensor


class FunctionCtx:
    """What `forward` and `backward` of a Function share."""

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keeps tensors (or None) for `backward`, which finds them in `saved_tensors`."""
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor) -> None:
        """Keeps tensors (or None) for `jvp`."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Says which inputs `forward` has written to in place; they must be outputs."""
        for i, x in enumerate(args):
            if not isinstance(x, Tensor):
                raise RuntimeError(
                    f"mark_dirty can only accept variables, but argument {i} is of type "
                    f"{type(x).__name__}"
                )
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Says which outputs need no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` is given zeros (the default) or None for outputs without a gradient."""
        self.materialize_grads = value

    def mark_shared_storage(self, *pairs: Any) -> None:
        """Does nothing: tensors that share a storage are known."""
        warnings.warn(
            "`mark_shared_storage` is deprecated. Tensors with shared storages are automatically "
            "tracked. Note that calls to `set_()` are not tracked",
            FutureWarning,
            stacklevel=2,
        )


class Saved(SavedTensor):
    """One tensor that `save_for_backward` was given."""

    __slots__ = ("output", "held", "mark", "unpack")

    def __init__(self, tensor: Tensor, output: int | None) -> None:
        self.output = output
        # An output is kept without its history: it would hold the node that holds it.
        twin = tensor if output is None else same_storage(tensor)
        self.mark = Mark(tensor, output is not None)
        self.unpack: Callable | None = None
        self.held: Any = twin
        if state.saved_hooks:
            pack, self.unpack = state.saved_hooks[-1]
            self.held = pack(tensor.detach() if output is not None else tensor)

    def _hooked(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        if self.unpack is not None:
            raise RuntimeError(HOOKED)
        self.held, self.unpack = pack_hook(self.held), unpack_hook

    def take(self, node: BackwardCFunction) -> Tensor:
        if self.unpack is not None:
            return self.unpack(self.held)
        self.mark.check(node)
        if self.output is None:
            return self.held
        tensor = same_storage(self.held)
        tensor._grad_fn, tensor._output_nr, tensor._requires_grad = node, self.output, True
        return tensor


def _moves(form: Any) -> bool:
    """Whether an argument of this shape and type can have a tangent; `form` of others is False."""
    return bool(form) and (form[1].is_floating_point or form[1].is_complex)


class BackwardCFunction(FunctionCtx, GraphNode):
    """The node that a Function records; it is the `ctx` of its methods too.

    Attributes:
        needs_input_grad: for each argument, whether it needs a gradient.
    """

    _forward_cls: Any = None
    __module__ = "torch.autograd.function"

    to_save: tuple = ()
    saved_for_forward: tuple = ()
    dirty_tensors: tuple = ()
    non_differentiable: tuple = ()
    materialize_grads = True
    _materialize_non_diff_grads = True
    _going_forward = False

    def __init__(self) -> None:
        self.made_at = stack() if state.anomaly else None
        self.serial = sequence()
        self.extra = None
        self._kept: list[Saved | None] | None = []
        self._places: list[Any] = []
        self._results: list[tuple | None] = []
        self.edges: list = []
        self.outputs: list = []

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{type(self).__name__} object at {hex(id(self))}>"

    @property
    def freed(self) -> bool:
        """Whether a backward pass has used up what was saved."""
        return self._kept is None

    @property
    def saved_tensors(self) -> tuple:
        """What `save_for_backward` was given.

        Raises:
            RuntimeError: it has been freed, or written to.
        """
        if self._going_forward:
            return self.saved_for_forward
        if self._kept is None:
            raise RuntimeError(FREED)
        return tuple(None if one is None else one.take(self) for one in self._kept)

    @property
    def _raw_saved_tensors(self) -> tuple:
        if self._kept is None:
            raise RuntimeError(FREED)
        return tuple(SavedNone() if one is None else one for one in self._kept)

    @property
    def saved_variables(self) -> tuple:
        """A former name of `saved_tensors`."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning)
        return self.saved_tensors

    def maybe_clear_saved_tensors(self) -> None:
        """Frees what was saved."""
        if self._kept:
            self._kept = None

    def apply(self, *args: Any) -> Any:
        """Calls the Function's `backward` (or `vjp`)."""
        own = self._forward_cls
        has_backward, has_vjp = own._overridden("backward"), own._overridden("vjp")
        if has_backward and has_vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        return (own.vjp if has_vjp else own.backward)(self, *args)

    def apply_jvp(self, *args: Any) -> Any:
        """Calls the Function's `jvp`."""
        return self._forward_cls.jvp(self, *args)

    def materialized(self, tangents: list) -> list:
        """The arguments' tangents, zeros for tensors that do not change."""
        if not self.materialize_grads:
            return tangents
        return [
            self._missing((form[0], form[1].numpy)) if t is None and _moves(form) else t
            for t, form in zip(tangents, self._places)
        ]

    def pushed(self, tangents: list) -> Any:
        """What the Function's `jvp` returns.

        Args:
            tangents: one an argument; None for one that is no tensor or does not change.
        """
        self._going_forward = True
        try:
            return self.apply_jvp(*tangents)
        finally:
            self._going_forward = False

    def is_marked(self, tensor: Tensor) -> bool:
        """Whether `mark_non_differentiable` was given the tensor."""
        return any(tensor is x for x in self.non_differentiable)

    # -- the engine's side --------------------------------------------------------------------------

    def run(self, engine: Any, held: dict[int, Any]) -> list:
        """The gradients of the Tensor arguments from those of the results."""
        given = [
            engine.boxed(held[i]) if i in held else self._missing(shape, i)
            for i, shape in enumerate(self._results)
        ]
        found = self._checked(self.apply(*given))
        if not engine.retain_graph:
            self.maybe_clear_saved_tensors()
        return found

    def _missing(self, form: tuple | None, number: int | None = None) -> Any:
        """Zeros of a shape and type, or None where those are not wanted.

        Args:
            number: which result they are the gradient of.
        """
        if form is None or not self.materialize_grads:
            return None
        apart = number is not None and not self._materialize_non_diff_grads
        if apart and number not in {i for i, *_ in self.outputs}:
            return None
        with jax.enable_x64(True):
            return wrap(jax.numpy.zeros(*form))

    def _checked(self, found: Any) -> list:
        """The results of `backward`, one a Tensor argument.

        Raises:
            RuntimeError: there are too few or too many, or one is no gradient of its argument.
        """
        found = found if isinstance(found, tuple) else (found,)
        count = len(self._places)
        if len(found) > count and all(g is None for g in found[count:]):
            found = found[:count]
        if len(found) != count:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {count}, got {len(found)})"
            )
        kept: list[Any] = []
        for i, (form, gradient) in enumerate(zip(self._places, found)):
            if form:
                kept.append(self._fitted(gradient, form, len(kept)))
            elif gradient is not None:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position "
                    f"{i + 1}, but the corresponding forward input was not a Variable"
                )
        return kept

    def _fitted(self, gradient: Any, form: Any, index: int) -> Any:
        """A gradient in the shape and type of its argument: summed where it was broadcast."""
        if gradient is None:
            return None
        if not isinstance(gradient, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(gradient).__name__})")
        if self.edges[index] is None:
            return None
        shape, kind = form
        if tuple(gradient.shape) != shape:
            try:
                gradient = gradient.sum_to_size(shape)
            except RuntimeError:
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {index} - got "
                    f"{list(gradient.shape)} but expected shape compatible with {list(shape)}"
                ) from None
        return gradient if gradient.dtype is kind else gradient.to(kind)
