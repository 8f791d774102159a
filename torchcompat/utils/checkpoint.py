"""Rematerialisation: values inside of `checkpoint` are computed again for backward, and not kept.

It works on the recorded graph by saved-tensor hooks: what ops would keep is thrown away, and the function
is run again when the first of it is asked for. Under `compile` the second run stands behind an
optimization barrier, or XLA would find it equal to the first and keep the values after all.
"""

from __future__ import annotations

import contextlib
import enum
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax

from torchcompat import _random
from torchcompat._absent import fill
from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._autograd import no_grad, set_grad_enabled
from torchcompat._tensor._state import state
from torchcompat.nn.modules.container import Sequential
from torchcompat.utils._pytree import tree_map_only

__all__ = [
    "CheckpointError",
    "CheckpointPolicy",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

_REENTRANT = (
    "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in "
    "PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. use_reentrant=False "
    "is recommended, but if you need to preserve the current default behavior, you can pass "
    "use_reentrant=True. Refer to docs for more details on the differences between the two variants."
)
_early_stop: list[bool | None] = [None]
_debug: list[bool | None] = [None]


class CheckpointError(RuntimeError):
    """The second run of a function did other than the first."""


class CheckpointPolicy(enum.Enum):
    """Whether an op's result is kept or computed again."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4


class _Stop(Exception):
    """Everything that was asked for has been computed again."""


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that change nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether the second run ends as soon as all kept values are there."""
    before, _early_stop[0] = _early_stop[0], enable
    try:
        yield
    finally:
        _early_stop[0] = before


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Accepted; an error always says what differed."""
    before, _debug[0] = _debug[0], enabled
    try:
        yield
    finally:
        _debug[0] = before


def detach_variable(inputs: tuple) -> tuple:
    """The inputs, tensors cut off their graph.

    Raises:
        RuntimeError: `inputs` is no tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}"
        )
    return tuple(_detached(x) if isinstance(x, Tensor) else x for x in inputs)


def _detached(x: Tensor) -> Tensor:
    cut = x.detach()
    cut.requires_grad_(x.requires_grad)
    return cut


def check_backward_validity(inputs: Any) -> None:
    """Warns if no input needs a gradient."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None")


def get_device_states(*args: Any) -> tuple[list[int], list]:
    """No devices: one generator serves all."""
    return [], []


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Nothing to do: one generator serves all."""


class _Settings:
    """What the second run has to find as the first did: random state and autocast."""

    def __init__(self, preserve: bool) -> None:
        self.preserve = preserve
        self.autocast = state.autocast
        self.random = _random_state() if preserve else None

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        before, state.autocast = state.autocast, self.autocast
        random = _random_state() if self.preserve else None
        try:
            if self.random is not None:
                _set_random_state(self.random)
            yield
        finally:
            state.autocast = before
            if random is not None:
                _set_random_state(random)


def _random_state() -> tuple:
    generator = _random.default_generator
    cell = generator.key_cell
    stream = _random.state.rng_key
    if stream is not None:
        return None, cell.value, stream.drawn
    if isinstance(cell.value, jax.core.Tracer):
        return None, cell.value, None
    return generator.get_state(), cell.value, None


def _set_random_state(saved: tuple) -> None:
    host, key, drawn = saved
    if drawn is not None and _random.state.rng_key is not None:
        _random.state.rng_key.drawn = drawn
    if host is not None:
        _random.default_generator.set_state(host)
    _random.default_generator.key_cell.value = key


@contextlib.contextmanager
def _hooks(pack: Callable, unpack: Callable) -> Iterator[None]:
    before, state.saved_hooks = state.saved_hooks, (*state.saved_hooks, (pack, unpack))
    try:
        yield
    finally:
        state.saved_hooks = before


class _Run:
    """One checkpointed call: throws away what is to be kept, and computes it again."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, settings: _Settings) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.settings = settings
        self.context: Any = contextlib.nullcontext()
        self.early_stop = True
        self.reentrant = False
        self.shapes: list[tuple] = []
        self.found: list[Tensor] | None = None
        self.left = 0

    def pack(self, x: Tensor) -> int:
        self.shapes.append((tuple(x.shape), x.dtype))
        self.left += 1
        return len(self.shapes) - 1

    def unpack(self, number: int) -> Tensor:
        if state.backward_pass is None:  # a look from outside: nothing is kept
            return self.again()[number]
        if self.found is None:
            self.found = self.again()
        result = self.found[number]
        self.left -= 1
        if self.left <= 0:  # used up: a second pass computes once more
            self.left, self.found = len(self.shapes), None
        return result

    def again(self) -> list[Tensor]:
        running = state.backward_pass
        if self.reentrant and running is not None and running.wanted is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can either "
                "set use_reentrant=False, or call .backward() without passing the `inputs` argument."
            )
        found: list[Tensor] = []

        def keep(x: Tensor) -> Tensor:
            found.append(x)
            if len(found) > len(self.shapes):
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than "
                    "during the original forward pass."
                )
            if self.early_stop and len(found) == len(self.shapes):
                raise _Stop
            return x

        args, kwargs = tree_map_only(Tensor, _behind_barrier, (self.args, self.kwargs))
        with (
            self.settings.again(),
            set_grad_enabled(True),
            self.context,
            contextlib.suppress(_Stop),
            _hooks(keep, lambda x: x),
        ):
            self.function(*args, **kwargs)
        self.compare(found)
        return found

    def compare(self, found: list[Tensor]) -> None:
        if len(found) != len(self.shapes):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original "
                "forward and recomputation.\nNumber of tensors saved during forward: "
                f"{len(self.shapes)}\nNumber of tensors saved during recomputation: {len(found)}."
            )
        for i, (shape, x) in enumerate(zip(self.shapes, found)):
            if shape != (tuple(x.shape), x.dtype):
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have different "
                    f"metadata than during the forward pass.\ntensor at position {i}:\nsaved metadata: "
                    f"{shape}\nrecomputed metadata: {(tuple(x.shape), x.dtype)}"
                )


def _behind_barrier(x: Tensor) -> Tensor:
    """A tensor for the second run: cut off the graph, and unlike the first to XLA's eyes."""
    value = x._read()
    if not isinstance(value, jax.core.Tracer):
        return _detached(x)
    with jax.enable_x64(True):
        cut = wrap(jax.lax.optimization_barrier(value))
    cut._requires_grad = x.requires_grad
    return cut


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, whose inner values are computed again for backward.

    Args:
        use_reentrant: True needs an input that requires a gradient, as torch's older way does.
        context_fn: gives two contexts, for the first and the second run.
        determinism_check: "default" compares shapes and dtypes of both runs, "none" as well.
        early_stop: end the second run once everything is there.
        preserve_rng_state: (in `kwargs`) draw the same random numbers again. Default: True.

    Raises:
        ValueError: arguments that only the newer way has, or unknown ones.
        CheckpointError: in backward, if the second run differs from the first.
        RuntimeError: in backward, if `use_reentrant` and gradients of some tensors only are asked for.
    """
    if use_reentrant is None:
        warnings.warn(_REENTRANT, stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant and (context_fn is not noop_context_fn or debug is not False):
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    if use_reentrant and state.grad_enabled:
        tensors = [x for x in args if isinstance(x, Tensor)]
        check_backward_validity(tensors)
        if not any(x.requires_grad for x in tensors):
            with no_grad():
                return function(*args)
    first, second = context_fn()
    if not state.grad_enabled:
        with first:
            return function(*args, **kwargs)
    run = _Run(function, args, kwargs, _Settings(preserve))
    run.context, run.reentrant = second, use_reentrant
    run.early_stop = early_stop if _early_stop[0] is None else _early_stop[0]
    with _hooks(run.pack, run.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Runs a sequence of layers in checkpointed pieces, the last of which is not checkpointed.

    Args:
        functions: a Sequential or list of functions.
        segments: how many pieces.
        preserve_rng_state: (in `kwargs`) draw the same random numbers again. Default: True.

    Raises:
        ValueError: unknown arguments.
    """
    if use_reentrant is None:
        warnings.warn(_REENTRANT.replace("checkpoint:", "checkpoint.checkpoint_sequential:", 1))
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    layers = list(functions.children()) if isinstance(functions, Sequential) else list(functions)

    def piece(start: int, end: int) -> Callable:
        def forward(x: Any) -> Any:
            for layer in layers[start:end]:
                x = layer(x)
            return x

        return forward

    size = len(layers) // segments
    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(
            piece(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return piece(end, len(layers))(input)


fill(
    globals(),
    "ops are compiled by JAX and have no dispatch mode; jax.checkpoint has policies",
    classes="SelectiveCheckpointContext CheckpointFunction GraphExecGroup",
    functions="create_selective_checkpoint_contexts",
)
DefaultDeviceType = type("DefaultDeviceType", (), {"get_device_type": staticmethod(lambda: "cuda")})
