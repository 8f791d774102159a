"""Autocast: the dispatcher casts what certain ops are given, by torch's lists for CPU and GPU.

While a thread has no enabled autocast, `state.autocast` is None and the dispatcher looks no further.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any

import jax

from torchcompat import _device, _dtype
from torchcompat._ops._registry import Row
from torchcompat._tensor._state import state
from torchcompat._tensor._tensor import Tensor, is_traced

_HALVES = tuple(map(_dtype.get, ("float16", "bfloat16")))
_FLOAT = _dtype.get("float32")
_ELIGIBLE = (*_HALVES, _FLOAT)

# Ops in the lower type, on every device.
_LOWER = """conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d bmm mm matmul
baddbmm addmm addbmm linear prelu linalg_vecdot scaled_dot_product_attention attention_scores
attention_output attention_weights plain_attention_weights in_projection_packed _einsum"""
_LOWER_CUDA = """addmv addr mv linalg_multi_dot lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell recurrent
chain_matmul"""
# Ops in float32.
_FLOAT_BOTH = """cosine_embedding_loss nll_loss hinge_embedding_loss poisson_nll_loss smooth_l1_loss
l1_loss huber_loss mse_loss margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss
multilabel_margin_loss kl_div binary_cross_entropy_with_logits cdist pdist cross_entropy ctc_loss"""
_FLOAT_CPU = """avg_pool3d binary_cross_entropy grid_sampler polar prod quantile nanquantile trace
view_as_complex cholesky cholesky_inverse cholesky_solve inverse lu_solve orgqr ormqr pinverse max_pool3d
max_pool3d_with_indices max_unpool2d max_unpool3d adaptive_avg_pool3d fft_fft stft linalg_cholesky
linalg_cholesky_ex linalg_cond linalg_matrix_rank linalg_solve linalg_svdvals linalg_eigvals
linalg_eigvalsh linalg_inv linalg_householder_product linalg_lstsq linalg_eig linalg_eigh linalg_svd
linalg_qr linalg_inv_ex linalg_lu_factor linalg_ldl_factor geqrf svd qr triangular_solve
fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices adaptive_max_pool3d _lu_with_info
linalg_matrix_power linalg_pinv linalg_tensorinv linalg_tensorsolve linalg_ldl_solve"""
_FLOAT_CUDA = """acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow softplus
layer_norm rms_norm group_norm norm linalg_vector_norm cosine_similarity dist pdist renorm logsumexp
prod softmax log_softmax cumprod cumsum sum upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d upsample_nearest_exact1d
upsample_nearest_exact2d upsample_nearest_exact3d upsample_bilinear2d_aa upsample_bicubic2d_aa"""
# Ops in the widest type among what they are given.
_WIDEST_CPU = "cat stack index_copy"
_WIDEST_CUDA = """addcdiv addcmul atan2 bilinear cross linalg_cross dot vdot grid_sampler index_put_at
tensordot scatter_add"""
_RULES: dict[str, dict[str, str]] = {
    "cpu": {"lower": _LOWER, "float": f"{_FLOAT_BOTH} {_FLOAT_CPU}", "widest": _WIDEST_CPU},
    "cuda": {
        "lower": f"{_LOWER} {_LOWER_CUDA}",
        "float": f"{_FLOAT_BOTH} {_FLOAT_CUDA}",
        "widest": _WIDEST_CUDA,
        "banned": "binary_cross_entropy",
    },
}
_TABLES = {
    kind: {name: rule for rule, names in rules.items() for name in names.split()}
    for kind, rules in _RULES.items()
}
_DEFAULTS = {"cpu": "bfloat16", "cuda": "float16", "xpu": "float16", "mps": "float16"}
_DEFAULTS |= {"tpu": "bfloat16", "xla": "bfloat16", "mtia": "bfloat16", "hpu": "bfloat16"}
_DEFAULTS |= {"ipu": "float16", "maia": "bfloat16"}
_BANNED = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is enabled: the lower dtype by device type. Called by the dispatcher for each op."""

    dtypes: tuple[tuple[str, Any], ...]
    caches: bool = True

    def __call__(self, row: Row, args: tuple) -> tuple:
        return _cast_all(self, row, args)


class _Autocast:
    """The switches of one thread, by device type.

    Attributes:
        enabled: device types that are on.
        dtypes: lower dtypes that were set.
        nesting: how many contexts are entered.
        cache: casts of leaves, kept until the outermost context ends.
    """

    def __init__(self) -> None:
        self.enabled: dict[str, bool] = {}
        self.dtypes: dict[str, Any] = {}
        self.caches = True
        self.nesting = 0
        self.cache: dict[tuple, tuple] = {}

    def publish(self) -> None:
        """Tells the dispatcher."""
        on = tuple((kind, lower_dtype(kind)) for kind, yes in sorted(self.enabled.items()) if yes)
        state.autocast = Setting(on, self.caches) if on else None


def switches() -> _Autocast:
    """The present thread's switches."""
    found = state.autocast_switches
    if found is None:
        found = state.autocast_switches = _Autocast()
    return found


def known(kind: str) -> str:
    """A device type that autocast knows.

    Raises:
        RuntimeError: it does not.
    """
    if kind not in _DEFAULTS:
        raise RuntimeError(
            "unknown device type for autocast in get_autocast_dispatch_key_from_device_type"
        )
    return kind


def is_enabled(kind: str) -> bool:
    """Whether autocast is on for a device type."""
    return switches().enabled.get(known(kind), False)


def enable(kind: str, on: bool) -> None:
    """Turns autocast on or off for a device type."""
    switches().enabled[known(kind)] = bool(on)
    switches().publish()


def lower_dtype(kind: str) -> Any:
    """The lower dtype of a device type."""
    return switches().dtypes.get(known(kind)) or _dtype.get(_DEFAULTS[kind])


def set_lower_dtype(kind: str, dtype: Any) -> None:
    """Sets the lower dtype of a device type."""
    switches().dtypes[known(kind)] = dtype
    switches().publish()


def clear_cache() -> None:
    """Forgets the casts of leaves."""
    switches().cache.clear()


# -- casting -------------------------------------------------------------------------------------------


def _cast_all(setting: Setting, row: Row, args: tuple) -> tuple:
    tensors = list(_tensors(args))
    for kind, lower in setting.dtypes:
        rule = _TABLES.get(kind, _TABLES["cuda"]).get(row.name)
        if rule is None or not any(_device_type(t) == kind for t in tensors):
            continue
        if rule == "banned":
            raise RuntimeError(_BANNED)
        if rule == "lower":
            return _mapped(lambda t, to=lower, kind=kind: _cast(t, to, kind, setting), args)
        if rule == "float":
            return _mapped(lambda t, kind=kind: _cast(t, _FLOAT, kind, setting), args)
        if rule == "widest":
            to = _widest(tensors, lower, kind)
            return _mapped(lambda t, to=to, kind=kind: _cast(t, to, kind, setting), args)
    return args


def _tensors(args: Any) -> Any:
    for x in args:
        if isinstance(x, (Tensor, jax.Array)):
            yield x
        elif isinstance(x, (tuple, list)):
            yield from _tensors(x)


def _mapped(function: Callable, args: tuple) -> tuple:
    return tuple(
        function(x)
        if isinstance(x, (Tensor, jax.Array))
        else type(x)(_mapped(function, tuple(x)))
        if type(x) in (tuple, list)
        else x
        for x in args
    )


def _kind(t: Any) -> Any:
    return t.dtype if isinstance(t, Tensor) else _dtype.from_numpy(t.dtype)


def _device_type(t: Any) -> str:
    return t.device.type if isinstance(t, Tensor) else _device.of_array(t).type


def _widest(tensors: list, lower: Any, kind: str) -> Any:
    """float32 if any eligible tensor has it, else the lower type."""
    kinds = [_kind(t) for t in tensors if _device_type(t) == kind]
    return _FLOAT if any(k is _FLOAT for k in kinds) else lower


def _cast(t: Any, to: Any, kind: str, setting: Setting) -> Any:
    have = _kind(t)
    if have is to or have not in _ELIGIBLE or _device_type(t) != kind:
        return t
    if not isinstance(t, Tensor):
        with jax.enable_x64(True):
            return t.astype(to.numpy)
    if to is _FLOAT or not _is_cached(t, setting):
        return t.to(to)
    cache, key = switches().cache, (id(t), to)
    found = cache.get(key)
    if found is None or found[0]() is not t or found[1] != t._cell.version:
        found = cache[key] = (weakref.ref(t), t._cell.version, t.to(to))
    return found[2]


def _is_cached(t: Tensor, setting: Setting) -> bool:
    """Leaves that are trained are cast once, so that their gradients add up in the lower type."""
    return (
        setting.caches
        and state.grad_enabled
        and t.requires_grad
        and t.is_leaf
        and state.capture is None
        and not is_traced(t)
    )
