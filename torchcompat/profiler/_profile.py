"""`profile` and `record_function`: steps are counted and scheduled as in torch, JAX takes the traces."""

from __future__ import annotations

import enum
import functools
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import jax

from torchcompat._absent import absent_class


class ProfilerActivity(enum.Enum):
    """What is watched."""

    CPU = 0
    XPU = 1
    CUDA = 2
    MTIA = 3
    HPU = 4
    PrivateUse1 = 5


class DeviceType(enum.Enum):
    """Where something ran."""

    CPU = 0
    CUDA = 1
    XPU = 2


class ProfilerAction(enum.Enum):
    """What is done in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def kineto_available() -> bool:
    """False: JAX's profiler is used."""
    return False


def supported_activities() -> set[ProfilerActivity]:
    """What JAX's profiler watches here."""
    on_gpu = {ProfilerActivity.CUDA} if jax.default_backend() == "gpu" else set()
    return {ProfilerActivity.CPU, *on_gpu}


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """What to do in each step: `wait` steps nothing, `warmup`, then `active` ones recorded.

    Args:
        repeat: how many cycles; 0 for no end.
        skip_first: steps before the first cycle.
        skip_first_wait: whether the first cycle does not wait.

    Raises:
        AssertionError: a number is negative, or none is active.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError("Invalid profiler schedule arguments")

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat > 0 and step // cycle >= repeat:
            return ProfilerAction.NONE
        place = step % cycle
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == cycle - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For `on_trace_ready`: has JAX's traces written below `dir_name`, where TensorBoard finds them."""

    def handler(prof: profile) -> None:
        return None

    handler.folder = dir_name  # type: ignore[attr-defined]
    return handler


class profile:
    """Traces what runs inside, by JAX's profiler.

    Args:
        activities: accepted: JAX watches all devices.
        schedule: `schedule(...)`; by default every step is recorded.
        on_trace_ready: called with this at the end of each recorded cycle.
        record_shapes, profile_memory, with_stack, with_flops, with_modules: accepted.

    Attributes:
        folder: where JAX wrote the trace.
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        **options: Any,
    ) -> None:
        self.activities = set(activities) if activities else supported_activities()
        self.schedule = schedule or (lambda step: ProfilerAction.RECORD)
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.folder: str | None = getattr(on_trace_ready, "folder", None)
        self._running = False

    @property
    def current_action(self) -> ProfilerAction:
        """What is done in this step."""
        return self.schedule(self.step_num)

    def start(self) -> None:
        """Begins with the first step."""
        self._follow()

    def stop(self) -> None:
        """Ends the last step."""
        if self._running:
            self._save()

    def step(self) -> None:
        """Ends a step and begins the next."""
        if self.current_action is ProfilerAction.RECORD_AND_SAVE:
            self._save()
        self.step_num += 1
        self._follow()

    def _follow(self) -> None:
        if self.current_action in _RECORDING and not self._running:
            self.folder = self.folder or tempfile.mkdtemp(prefix="torchcompat-profile-")
            jax.profiler.start_trace(self.folder)
            self._running = True

    def _save(self) -> None:
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def key_averages(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: JAX's trace is in `folder`."""
        raise NotImplementedError(
            f"torch.profiler.profile.key_averages: the trace is in {self.folder}"
        )

    events = export_chrome_trace = export_stacks = key_averages


class record_function:
    """Names a stretch of a trace: a context or decorator.

    Args:
        name: its name.
        args: accepted.
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list[Any] = []

    def __enter__(self) -> record_function:
        annotation = jax.profiler.TraceAnnotation(self.name)
        annotation.__enter__()
        self._open.append(annotation)
        return self

    def __exit__(self, *exc: Any) -> None:
        self._open.pop().__exit__(*exc)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return named


ExecutionTraceObserver = absent_class(
    "torchcompat.profiler", "ExecutionTraceObserver", "JAX's profiler writes its own traces"
)
