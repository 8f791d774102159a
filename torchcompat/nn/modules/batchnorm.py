"""Batch normalisation layers, and the state that they share with instance normalisation."""

from __future__ import annotations

from typing import Any

from torchcompat import _dtype
from torchcompat._tensor._creation import empty, ones, zeros
from torchcompat._tensor._factory import tensor
from torchcompat._tensor._tensor import Tensor
from torchcompat.nn import functional as F
from torchcompat.nn import init
from torchcompat.nn._functional.sync_norm import mapped_axes, sync_batch_norm
from torchcompat.nn.modules.lazy import LazyModuleMixin
from torchcompat.nn.modules.module import Module
from torchcompat.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """Weight, bias and running statistics of each channel.

    Args:
        momentum: the share of the newest batch in the running statistics; None for the plain mean.
        affine: whether there is a weight; `bias`, whether there is also a bias.
        track_running_stats: whether statistics are kept for evaluation mode.
    """

    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]
    num_features: int
    eps: float
    momentum: float | None
    affine: bool
    track_running_stats: bool

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        place = {"device": device, "dtype": dtype}
        for name, present in (("weight", affine), ("bias", affine and bias)):
            held = Parameter(empty(num_features, **place)) if present else None
            self.register_parameter(name, held)
        statistics: tuple = (None, None, None)
        if track_running_stats:
            count = tensor(0, dtype=_dtype.int64, device=device)
            statistics = zeros(num_features, **place), ones(num_features, **place), count
        for name, held in zip(("running_mean", "running_var", "num_batches_tracked"), statistics):
            self.register_buffer(name, held)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Sets the running mean to 0, the variance to 1 and the count to 0."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Resets the statistics, the weight to ones and the bias to zeros."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("version")
        if (version is None or version < 2) and self.track_running_stats:
            # Version 2 introduced the count of batches.
            key = prefix + "num_batches_tracked"
            if key not in state_dict:
                held = self.num_batches_tracked
                usable = held is not None and held.device.type != "meta"
                state_dict[key] = held if usable else tensor(0, dtype=_dtype.int64)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )


def _expect_dims(input: Tensor, *allowed: int) -> None:
    if input.ndim not in allowed:
        expected = " or ".join(f"{n}D" for n in allowed)
        raise ValueError(f"expected {expected} input (got {input.ndim}D input)")


class _BatchNorm(_NormBase):
    """Normalises each channel over the batch, or by running statistics in evaluation mode."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        use_batch = self.training or (self.running_mean is None and self.running_var is None)
        kept = not self.training or self.track_running_stats
        counts = self.training and self.track_running_stats
        counts = counts and self.num_batches_tracked is not None
        out = self._normalize(
            input,
            self.running_mean if kept else None,
            self.running_var if kept else None,
            self.weight,
            self.bias,
            use_batch,
            self._share_of_this_batch(counts),
            self.eps,
        )
        if counts:  # only now: a call that fails changes nothing
            self.num_batches_tracked.add_(1)
        return out

    def _normalize(self, *args: Any) -> Tensor:
        """What computes the output; takes the arguments of `batch_norm`."""
        return F.batch_norm(*args)

    def _share_of_this_batch(self, counts: bool) -> Any:
        """The momentum; where it is None, one over the number of batches, this one included."""
        if self.momentum is not None:
            return self.momentum
        return 1.0 / (self.num_batches_tracked + 1).double() if counts else 0.0


class BatchNorm1d(_BatchNorm):
    """Normalises each channel over the batch: `(x - mean) / sqrt(var + eps) * weight + bias`.

    Args:
        num_features: number of channels C.
        eps: added to the variance.
        momentum: the share of the newest batch in the running statistics; None for the plain mean.
        affine: whether there is a weight; `bias`, whether there is also a bias.
        track_running_stats: whether statistics are kept for evaluation mode.

    Shape:
        input `(N, C)` or `(N, C, L)`; output as input; all state `(C)`.

    Source: Ioffe and Szegedy, "Batch Normalization", 2015.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        _expect_dims(input, 2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel over the batch; arguments as `BatchNorm1d`.

    Shape:
        input `(N, C, H, W)`; output as input; all state `(C)`.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        _expect_dims(input, 4)


class BatchNorm3d(_BatchNorm):
    """Normalises each channel over the batch; arguments as `BatchNorm1d`.

    Shape:
        input `(N, C, D, H, W)`; output as input; all state `(C)`.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        _expect_dims(input, 5)


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """State of each channel whose number the first input tells."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        place = {"device": device, "dtype": dtype}
        super().__init__(0, eps, momentum, False, False, **place)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(**place)
            if bias:
                self.bias = UninitializedParameter(**place)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**place)
            self.running_var = UninitializedBuffer(**place)
            self.num_batches_tracked = tensor(0, dtype=_dtype.int64, device=device)

    def reset_parameters(self) -> None:
        """Resets statistics, weight and bias, if there is a size for them."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Takes the number of channels from the input."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        for name in ("weight", "bias", "running_mean", "running_var"):
            member = getattr(self, name)
            if member is not None:
                member.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input."""

    cls_to_become = BatchNorm3d


class SyncBatchNorm(_BatchNorm):
    """A batch normalisation whose statistics are those of all devices together.

    Inside `jax.shard_map` or `jax.pmap` it takes means over the mapped axes. Anywhere else it is a
    `BatchNorm`: under `jit` an array that is sharded over a mesh is one array, and so is its mean.

    Args:
        num_features, eps, momentum, affine, track_running_stats: as in `BatchNorm1d`.
        process_group: the name of a mesh axis, or several; by default all that are mapped.

    Shape:
        input `(N, C, *)`; output as input; all state `(C)`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")

    def _check_non_zero_input_channels(self, input: Tensor) -> None:
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_non_zero_input_channels(input)
        return super().forward(input)

    def _normalize(self, input: Tensor, *args: Any) -> Tensor:
        *state, use_batch, momentum, eps = args
        axes = mapped_axes(self.process_group) if use_batch else ()
        if not axes:
            return F.batch_norm(input, *args)
        return sync_batch_norm(input, *state, momentum, eps, axes)

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """`module` with every `BatchNorm` in it replaced by a `SyncBatchNorm` of the same state."""
        result = module
        if isinstance(module, _BatchNorm):
            result = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(result, name, getattr(module, name))
            result.training = module.training
        for name, child in module.named_children():
            result.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return result
