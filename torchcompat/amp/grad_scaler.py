"""`GradScaler`: scales a loss up so that small gradients do not vanish in float16."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from torchcompat import _dtype
from torchcompat._tensor import Tensor
from torchcompat._tensor._autograd import no_grad
from torchcompat._tensor._place import put

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
        self._device, self._enabled = device, enabled
        if not enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError("The growth factor must be > 1.0.")
        if backoff_factor >= 1.0:
            raise AssertionError("The backoff factor must be < 1.0.")
        self._init_scale = init_scale
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._init_growth_tracker = growth_interval, 0
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._optimizers: dict[int, dict[str, Any]] = {}

    def _state_of(self, optimizer: Any) -> dict[str, Any]:
        ready = {"stage": OptState.READY, "found_inf": None}
        return self._optimizers.setdefault(id(optimizer), ready)

    def _lazy_init(self) -> None:
        if self._scale is None:
            self._scale = put(np.float32(self._init_scale))
            self._growth_tracker = put(np.int32(self._init_growth_tracker))

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
        state = self._state_of(optimizer)
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf"] = self._unscale(optimizer, scale, allow_fp16=False)
        state["stage"] = OptState.UNSCALED

    def _unscale(self, optimizer: Any, scale: Tensor, allow_fp16: bool) -> Tensor | None:
        """Unscales gradients; returns 1.0 where any was not finite, or None without gradients."""
        found = None
        with no_grad():
            inverse = scale.double().reciprocal().float()
            for group in optimizer.param_groups:
                for p in group["params"]:
                    if p.grad is None:
                        continue
                    if not allow_fp16 and p.grad.dtype is _dtype.get("float16"):
                        raise ValueError("Attempting to unscale FP16 gradients.")
                    bad = 1 - p.grad.isfinite().all().float()
                    found = bad if found is None else found.maximum(bad)
                    p.grad.mul_(inverse)
        return found

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> float | None:
        """`optimizer.step(...)`, unless a gradient is infinite or not a number.

        Raises:
            RuntimeError: a closure is given, or the optimizer has stepped since the last update.
            AssertionError: the optimizer has no gradients.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._need_scale("step")
        state = self._state_of(optimizer)
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if state["found_inf"] is None:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        result = None
        if not _is_true(state["found_inf"]):
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
        self._optimizers = {}

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
        found = [s["found_inf"] for s in self._optimizers.values() if s["found_inf"] is not None]
        if not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        tracker: Any = self._growth_tracker
        if any(map(_is_true, found)):
            scale.mul_(self._backoff_factor)
            tracker.zero_()
            return
        tracker.add_(1)
        if int(tracker) == self._growth_interval:
            grown = scale * self._growth_factor
            if bool(grown.isfinite()):
                scale.copy_(grown)
            tracker.zero_()

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


def _is_true(flag: Tensor) -> bool:
    value = flag._read()
    if isinstance(value, jax.core.Tracer):
        raise NotImplementedError(
            "GradScaler.step inside of compile: whether it steps is not known"
        )
    return bool(np.asarray(value))
