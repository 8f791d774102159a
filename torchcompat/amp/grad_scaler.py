"""`GradScaler`: scales a loss up so that small gradients do not vanish in float16."""

from __future__ import annotations

import enum
import warnings
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat import _dtype
from torchcompat._ops._common import wide
from torchcompat._tensor import Tensor, wrap
from torchcompat._tensor._autograd import no_grad
from torchcompat.optim._state import lasting

__all__ = ["GradScaler", "OptState"]


class OptState(enum.Enum):
    """What has been done for an optimizer since the last update."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class GradScaler:
    """Scales a loss, unscales gradients, skips steps with infinite ones and adapts the scale.

    Args:
        device: accepted; the scale follows its tensors.
        init_scale: the first scale.
        growth_factor: the scale grows by it after `growth_interval` steps without infinities.
        backoff_factor: the scale shrinks by it after a step with one.
        growth_interval: number of steps.
        enabled: False makes every method hand things on unchanged.

    Example:
        >>> scaler.scale(loss).backward()
        >>> scaler.step(optimizer)
        >>> scaler.update()
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = enabled
        if enabled and device == "cuda" and not _has_gpu():
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._scale: Tensor | None = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        self._growth_tracker: Tensor | None = None
        self._per_optimizer_states: defaultdict[int, dict[str, Any]] = defaultdict(
            _refresh_per_optimizer_state
        )

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if not self._enabled:
            return state
        if self._per_optimizer_states:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at "
                "the end after scaler.update()."
            )
        state["_init_scale"] = self.get_scale()
        state["_init_growth_tracker"] = self._get_growth_tracker()
        state["_scale"] = state["_growth_tracker"] = None
        return state

    def _lazy_init(self) -> None:
        if self._scale is None:
            self._scale = lasting(np.float32(self._init_scale))
            self._growth_tracker = lasting(np.int32(self._init_growth_tracker))

    def _need_scale(self, what: str) -> Tensor:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {what} but _scale is None.  This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )
        return self._scale

    def scale(self, outputs: Any) -> Any:
        """A tensor, or each of an iterable of tensors, times the scale.

        Raises:
            ValueError: something else was given.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            self._lazy_init()
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            kind = type(outputs) if isinstance(outputs, (list, tuple)) else None
            found = map(self.scale, outputs)
            return found if kind is None else kind(found)
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of an optimizer's parameters by the scale.

        Raises:
            RuntimeError: it was done since the last update, or the optimizer has stepped.
            ValueError: gradients are float16.
        """
        if not self._enabled:
            return
        scale = self._need_scale("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf_per_device"] = _unscale(optimizer, scale)
        state["stage"] = OptState.UNSCALED

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> float | None:
        """`optimizer.step(...)`, unless a gradient is infinite or not a number.

        Inside a compiled function the step is always computed, and taken back where it must not count.

        Raises:
            RuntimeError: a closure is given, or the optimizer has stepped since the last update.
            AssertionError: the optimizer has no gradients.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        found = list(state["found_inf_per_device"].values())
        if not found:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if isinstance(found[0]._read(), jax.core.Tracer):
            result = _step_unless(found[0], optimizer, args, kwargs)
        elif not any(float(one) for one in found):
            result = optimizer.step(*args, **kwargs)
        state["stage"] = OptState.STEPPED
        return result

    def update(self, new_scale: Any = None) -> None:
        """Adapts the scale to what the steps since the last update have met, or sets it.

        Raises:
            AssertionError: nothing was unscaled, or the new scale is no scalar tensor.
        """
        if not self._enabled:
            return
        scale = self._need_scale("update")
        with no_grad():
            if new_scale is not None:
                self._set_scale(scale, new_scale)
            else:
                self._adapt(scale)
        self._per_optimizer_states = defaultdict(_refresh_per_optimizer_state)

    def _set_scale(self, scale: Tensor, new_scale: Any) -> None:
        if isinstance(new_scale, Tensor):
            if new_scale.numel() != 1 or new_scale.requires_grad:
                raise AssertionError(
                    "new_scale should be a float or a 1-element torch.cuda.FloatTensor or "
                    "torch.FloatTensor with requires_grad=False."
                )
            scale.copy_(new_scale)
        else:
            scale.fill_(new_scale)

    def _adapt(self, scale: Tensor) -> None:
        states = self._per_optimizer_states.values()
        found = [one for state in states for one in state["found_inf_per_device"].values()]
        if not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        tracker: Any = self._growth_tracker
        with jax.enable_x64(True):
            new_scale, new_tracker = _adapted(
                scale._read(),
                tracker._read(),
                [one._read() for one in found],
                self._growth_factor,
                self._backoff_factor,
                self._growth_interval,
            )
        scale._write(new_scale)
        tracker._write(new_tracker)

    def _found_inf_per_device(self, optimizer: Any) -> dict[Any, Tensor]:
        return self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]

    def get_scale(self) -> float:
        """The scale."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale)

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else int(tracker)

    def get_growth_factor(self) -> float:
        """By how much the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets by how much the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By how much the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets by how much the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets after how many steps the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether this scales at all."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and how it adapts; empty where not enabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave.

        Raises:
            RuntimeError: it is empty.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved "
                "from a disabled instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._scale.fill_(state_dict["scale"])
            self._growth_tracker.fill_(state_dict["_growth_tracker"])  # type: ignore[union-attr]


def _refresh_per_optimizer_state() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


def _has_gpu() -> bool:
    return any(device.platform in ("gpu", "cuda", "rocm") for device in jax.local_devices())


def _unscale(optimizer: Any, scale: Tensor) -> dict[Any, Tensor]:
    """Unscales all gradients in one program; by device, 1.0 where any was not finite."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    grads = [p.grad for p in params if p.grad is not None]
    if any(grad.dtype is _dtype.float16 for grad in grads):
        raise ValueError("Attempting to unscale FP16 gradients.")
    if not grads:
        return {}
    with jax.enable_x64(True):
        values, found = _unscaled([grad._read() for grad in grads], scale._read())
    for grad, value in zip(grads, values):
        grad._write(value)
    return {grads[0].device: wrap(found)}


@jax.jit
def _unscaled(grads: list, scale: Any) -> tuple[list, Any]:
    inverse = (1 / scale.astype(np.float64)).astype(np.float32)
    bad = jnp.stack([~jnp.isfinite(grad).all() for grad in grads]).any()
    values = [(wide(g) * inverse.astype(wide(g).dtype)).astype(g.dtype) for g in grads]
    return values, bad.astype(np.float32)


@jax.jit
def _adapted(
    scale: Any, tracker: Any, found: list, growth: Any, backoff: Any, interval: Any
) -> tuple[Any, Any]:
    """The scale and the count of good steps after one more step."""
    bad = jnp.stack(found).max() > 0
    due = tracker + 1 == interval
    grown = scale * growth
    grown = jnp.where(due & jnp.isfinite(grown), grown, scale)
    count = jnp.where(bad | due, 0, tracker + 1)
    return jnp.where(bad, scale * backoff, grown).astype(scale.dtype), count.astype(tracker.dtype)


def _step_unless(found: Tensor, optimizer: Any, args: tuple, kwargs: dict) -> Any:
    """A traced step whose writes count only where `found` is zero.

    Raises:
        NotImplementedError: the step makes state that cannot be taken back.
    """
    before = {id(t): (t, t._read()) for t in _tensors(optimizer)}
    result = optimizer.step(*args, **kwargs)
    skipped = found._read() > 0
    for tensor in _tensors(optimizer):
        held = before.get(id(tensor))
        value = tensor._read()
        if held is not None and value is not held[1]:
            tensor._write(jnp.where(skipped, held[1], value))
        elif held is None and isinstance(value, jax.core.Tracer) and tensor._cell.serial:
            raise NotImplementedError(
                f"GradScaler.step inside of compile: {type(optimizer).__name__} makes state of its "
                "first gradients; let it step once outside"
            )
    return result


def _tensors(optimizer: Any) -> list[Tensor]:
    """What a step of the optimizer may write: its parameters and their state."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    held = [x for one in optimizer.state.values() for x in one.values()]
    return params + [x for x in held if isinstance(x, Tensor)]
