"""`torch.nn.functional`: the op registry's functions, and those written by hand over them.

Ops with the face `functional` appear by themselves; a hand-written function is imported below and
takes precedence over an op of its name.
"""
# ruff: noqa: F401

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from torchcompat import _ops as _ops
from torchcompat._tensor._choosing import one_hot
from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS
from torchcompat._tensor._faces import twin as _twin
from torchcompat._tensor.ops import sigmoid, tanh
from torchcompat.nn import _reduction as _Reduction
from torchcompat.nn import grad
from torchcompat.nn._functional.activation import (
    _get_softmax_dim,
    gumbel_softmax,
    log_softmax,
    rrelu,
    rrelu_,
    softmax,
    softmin,
)
from torchcompat.nn._functional.attention import (
    _canonical_mask,
    _check_key_padding_mask,
    _in_projection_packed,
    _mha_shape_check,
    _none_or_dtype,
    multi_head_attention_forward,
    scaled_dot_product_attention,
)
from torchcompat.nn._functional.class_loss import (
    cross_entropy,
    linear_cross_entropy,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
)
from torchcompat.nn._functional.ctc import ctc_loss
from torchcompat.nn._functional.dropout import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
)
from torchcompat.nn._functional.embedding import (
    _no_grad_embedding_renorm_,
    embedding,
    embedding_bag,
)
from torchcompat.nn._functional.fractional import (
    fractional_max_pool2d,
    fractional_max_pool2d_with_indices,
    fractional_max_pool3d,
    fractional_max_pool3d_with_indices,
)
from torchcompat.nn._functional.grids import (
    GRID_SAMPLE_INTERPOLATION_MODES,
    GRID_SAMPLE_PADDING_MODES,
    affine_grid,
    grid_sample,
)
from torchcompat.nn._functional.grouped import (
    ScalingType,
    SwizzleType,
    grouped_mm,
    scaled_grouped_mm,
    scaled_mm,
)
from torchcompat.nn._functional.helpers import (  # type: ignore[attr-defined]
    _adaptive_max_pool1d,
    _adaptive_max_pool2d,
    _adaptive_max_pool3d,
    _fractional_max_pool2d,
    _fractional_max_pool3d,
    _in_projection,
    _list_with_default,
    _max_pool1d,
    _max_pool2d,
    _max_pool3d,
    assert_int_or_pair,
    boolean_dispatch,
)
from torchcompat.nn._functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from torchcompat.nn._functional.norm import (
    _verify_batch_size,
    _verify_spatial_size,
    batch_norm,
    group_norm,
    instance_norm,
)
from torchcompat.nn._functional.pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices,
    adaptive_max_pool2d,
    adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d,
    adaptive_max_pool3d_with_indices,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
)
from torchcompat.nn._functional.resizing import (
    interpolate,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from torchcompat.nn._functional.unfolding import unfold
from torchcompat.nn._functional.unpooling import (
    _unpool_output_size,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from torchcompat.overrides import (
    handle_torch_function,
    has_torch_function,
    has_torch_function_unary,
    has_torch_function_variadic,
)

for _name, _function in _FUNCTIONS["functional"].items():
    globals().setdefault(_name, _function)
# Functions that torch has twice, once in Python: what traces calls tells them apart.
for _name in ("layer_norm", "rms_norm", "sigmoid", "tanh"):
    globals()[_name] = _twin(globals()[_name], _name)
    globals()[_name].__module__ = __name__
del _name, _function
_threshold = _FUNCTIONS["functional"]["threshold"]

if _TYPE_CHECKING:  # the functions of the op registry

    def __getattr__(name: str) -> _Any: ...
