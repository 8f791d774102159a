"""What torch asks of the tensors given as `out=`."""

from __future__ import annotations

import warnings
from typing import Any

from torchcompat import _dtype
from torchcompat._ops._errors import cpp_type

# Ops whose result is not converted to the type of `out`, by the text of the error.
_EXACT = {
    "Expected out tensor to have dtype {want}, but got {got} instead": """addmm addmv alias_copy aminmax
    argmax argmin as_strided_copy avg_pool2d avg_pool3d baddbmm bmm cross diag diagonal_copy
    expand_copy gather index_add index_copy index_reduce kthvalue linalg_cholesky linalg_cross linalg_det
    linalg_eigvalsh linalg_inv linalg_ldl_solve linalg_lu_solve linalg_solve linalg_svdvals
    linalg_vector_norm linear log_softmax lu_solve matmul max
    median min mm mode msort nanmedian norm permute_copy renorm scatter
    scatter_add scatter_reduce slice_scatter softmax sort squeeze_copy take_along_dim topk
    transpose_copy t_copy tril triu unfold_copy unsqueeze_copy view_copy""".split(),
    "expected scalar_type {Want} but found {Got}": "cummax cummin diff logcumsumexp".split(),
    "Found dtype {Got} but expected {Want}": """abs ceil conj_physical floor frac gelu hardshrink neg
    round sgn sign softplus softshrink trunc""".split(),
    "result dtype {Got} does not match input dtype {Want}": "dot vdot".split(),
    "Expected out type to be {Want} but got {Got}": ["where"],
    "{name}: Expected out tensor to have scalar type {Want} but got scalar type{Got}": ["nonzero"],
    "{name}(): self and result must have the same scalar type": "index_select masked_select".split(),
    "Expected the dtype for input and out to match, but got {Want} for input's dtype and {Got} for "
    "out's dtype.": "amax amin".split(),
}
# Ops that take no `out=`.
WITHOUT = frozenset(
    """adaptive_avg_pool1d adaptive_max_pool1d argsort as_strided_scatter avg_pool1d bilinear
    binary_cross_entropy_with_logits cdist celu channel_shuffle chunk clone conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d corrcoef cosine_embedding_loss
    cosine_similarity count_nonzero cov cross_entropy ctc_loss cumulative_trapezoid det diag_embed
    diagflat diagonal diagonal_scatter dist elu embedding fft_fftshift fft_ifftshift fill flip
    fliplr flipud fold glu group_norm hardsigmoid hardswish hardtanh hinge_embedding_loss huber_loss
    index_fill isclose isfinite isinf isnan isreal kl_div l1_loss layer_norm leaky_relu
    linalg_vander local_response_norm logdet margin_ranking_loss masked_fill masked_scatter
    matrix_exp max_pool1d max_pool2d max_pool3d mish movedim mse_loss narrow nll_loss pad
    pairwise_distance pdist permute pinverse pixel_shuffle pixel_unshuffle poisson_nll_loss positive
    prelu put relu relu6 rms_norm roll rot90 rsub segment_reduce select select_scatter selu silu
    smooth_l1_loss softsign t tanhshrink tile trace transpose trapezoid triplet_margin_loss
    unsqueeze vander""".split()
)
_TEXTS = {name: text for text, names in _EXACT.items() for name in names}


def check_out_type(name: str, out: Any, result: Any) -> None:
    """Raises torch's error where `out` is not of the type of the result, and the op does not convert."""
    text = _TEXTS.get(name)
    if text is None:
        return
    if isinstance(out, (tuple, list)):
        for box, one in zip(out, result):
            check_out_type(name, box, one)
    elif out.dtype is not result.dtype:
        raise RuntimeError(
            text.format(
                name=name,
                want=cpp_type(result.dtype),
                got=cpp_type(out.dtype),
                Want=_dtype.scalar_name(result.dtype),
                Got=_dtype.scalar_name(out.dtype),
            )
        )


def warn_resized(out: Any, size: tuple[int, ...]) -> None:
    """torch's warning for an `out` that holds elements and has another size."""
    if out.numel():
        warnings.warn(
            "An output with one or more elements was resized since it had shape "
            f"{list(out.shape)}, which does not match the required output shape {list(size)}. This "
            "behavior is deprecated, and in a future PyTorch release outputs will not be resized "
            "unless they have zero elements. You can explicitly reuse an out tensor t by resizing "
            "it, inplace, to zero elements with t.resize_(0).",
            stacklevel=2,
        )
