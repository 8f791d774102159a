"""`autograd.graph`: nodes, edges, and hooks on what the graph keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._nodes import GraphNode, edge_of
from torchcompat._tensor._state import state
from torchcompat.autograd._edges import GradientEdge, get_gradient_edge

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class _NodeMeta(type):
    """Every node of the graph is a `Node`, whatever it derives from."""

    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, GraphNode)

    def __subclasscheck__(cls, other: type) -> bool:
        return other is cls or issubclass(other, GraphNode)


class Node(metaclass=_NodeMeta):
    """A node of the recorded graph: what `y.grad_fn` is."""


class saved_tensors_hooks:
    """Has what is kept for backward go through `pack_hook`, and come back through `unpack_hook`.

    Args:
        pack_hook: takes a Tensor and returns anything.
        unpack_hook: takes that and returns the Tensor.
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if state.saved_hooks_refused is not None:
            raise RuntimeError(state.saved_hooks_refused)
        state.saved_hooks = (*state.saved_hooks, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *exc: object) -> None:
        state.saved_hooks = state.saved_hooks[:-1]


class save_on_cpu(saved_tensors_hooks):
    """Keeps what backward needs in host memory.

    Args:
        pin_memory: accepted; there is no pinned memory.
        device_type: accepted.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(
            lambda tensor: (tensor.device, tensor.cpu()), lambda held: held[1].to(held[0])
        )


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Has `saved_tensors_hooks` raise `error_message` inside of the block."""
    if state.saved_hooks:
        raise RuntimeError(error_message)
    before, state.saved_hooks_refused = state.saved_hooks_refused, error_message
    try:
        yield
    finally:
        state.saved_hooks_refused = before


class _AllowMutationOnSavedContext:
    """What `allow_mutation_on_saved_tensors` gives: torch keeps copies here, and we need none."""

    def __init__(self) -> None:
        self.original: dict = {}
        self.cloned: dict = {}

    def clear(self) -> None:
        """Forgets the copies."""


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_AllowMutationOnSavedContext]:
    """Lets tensors that backward needs be written to: what is kept is their former value.

    Here the values outlive the block; in torch backward has to be called within it.

    Raises:
        RuntimeError: inside of another such block.
    """
    if state.mutation_allowed:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    state.mutation_allowed = True
    try:
        yield _AllowMutationOnSavedContext()
    finally:
        state.mutation_allowed = False


def increment_version(tensor: Tensor | Sequence[Tensor]) -> None:
    """Counts a write to the tensor(s) that autograd has not seen."""
    for one in [tensor] if isinstance(tensor, Tensor) else tensor:
        one._cell.version += 1


class _Handles:
    """Removes several hooks at once."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Takes the hooks out."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class _Together:
    """Calls a function once a backward pass has found all gradients of several tensors.

    A tensor that the pass does not reach counts as found: which those are is known when the pass
    starts, from the edges that it will go through.
    """

    def __init__(self, fn: Callable, tensors: Sequence[Tensor], every: bool) -> None:
        self.fn, self.every = fn, every
        self.edges = [edge_of(t) for t in tensors]
        if None in self.edges:
            raise AssertionError("Expected gradient function to be set")
        self.running: dict[int, list] = {}

    def hook(self, place: int) -> Callable:
        """The hook of one of the tensors."""

        def note(gradient: Tensor) -> None:
            run = state.backward_pass
            found = self.running.get(id(run))
            if found is None:
                reached = [edge.node in run.reached for edge in self.edges]
                found = self.running[id(run)] = [[None] * len(reached), sum(reached)]
                run.finals.append(lambda: self.running.pop(id(run), None))
            elif not self.every:
                return
            found[0][place] = gradient
            found[1] -= 1
            if not self.every:
                self.fn(gradient)
            elif not found[1]:
                self.fn(found[0])

        return note


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all"
) -> _Handles:
    """Calls `fn` in each backward pass, with the gradients of all of `tensors` or with the first.

    Args:
        fn: under `all` takes a list, with None for a tensor that the pass did not reach; under `any`
            takes one gradient.
        mode: `all` or `any`.

    Raises:
        ValueError: `mode` is something else.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    together = _Together(fn, tensors, mode == "all")
    return _Handles([t.register_hook(together.hook(i)) for i, t in enumerate(tensors)])
