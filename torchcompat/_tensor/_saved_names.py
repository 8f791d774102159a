"""What the derivative of each op keeps, as torch has it: what must not be written to before backward.

Found by running torch and looking at its nodes. An op that is not listed is not checked.
"""

# what is kept (names of arguments, `result`, `chosen`: the result that holds indices, or `inside`: nothing
# that a caller can write to) -> ops
ALIKE = {
    "": (
        "_add _sub _to_copy add alias append_zero as_strided as_strided_scatter block_diag_op "
        "cat ceil channel_shuffle chunk clone column_stack conj conj_physical copy cumsum "
        "deg2rad diag_embed diagflat diagonal diagonal_copy "
        "diagonal_scatter diff dstack expand fill flip fliplr flipud floor fold frac hstack "
        "mean merge_heads movedim narrow neg pad pad_sequence permute pixel_shuffle "
        "pixel_unshuffle positive rad2deg repeat roll rot90 round rsub select select_scatter "
        "sign slice_dim slice_scatter split_every split_heads split_with_sizes squeeze_all "
        "squeeze_dim squeeze_dims stack sub sum sum_to_size t tile trace transpose "
        "tril triu trunc unbind unfold unfold_blocks unsafe_view unsqueeze upsample_bicubic2d "
        "upsample_bicubic2d_aa upsample_bilinear2d upsample_bilinear2d_aa "
        "upsample_lanczos2d_aa upsample_linear1d upsample_nearest1d upsample_nearest2d "
        "upsample_nearest3d upsample_nearest_exact1d upsample_nearest_exact2d "
        "upsample_nearest_exact3d upsample_trilinear3d view view_as_complex view_as_real "
        "vstack zero"
    ),
    "index": "index_fill index_select scatter",
    "indices": "max_unpool1d max_unpool2d max_unpool3d",
    "input": (
        "abs acos acosh adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d asin asinh atan atanh "
        "avg_pool1d avg_pool2d avg_pool3d celu cos cosh digamma elu entr erf "
        "erfc erfinv gammaln gelu glu hardshrink hardsigmoid hardswish hardtanh i0 leaky_relu "
        "lgamma local_response_norm log log10 log1p log2 logdet logit logsigmoid matrix_exp "
        "max_pool1d max_pool2d max_pool3d mish nan_to_num nanmean nansum normalize polygamma "
        "psi relu6 selu silu sin sinc sinh softplus softshrink softsign square threshold var "
        "var_mean"
    ),
    "inside": (
        "cholesky_inverse cholesky_solve corrcoef gaussian_nll_loss l1_loss msort nanquantile "
        "ndtr quantile svd tanhshrink triplet_margin_loss"
    ),
    "chosen": "kthvalue max median min mode sort topk",
    "input chosen": (
        "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d cummax cummin "
        "max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices"
    ),
    "mask": "masked_fill masked_scatter",
    "result": (
        "cholesky exp exp2 expit expm1 inverse linalg_inv log_softmax ndtri pairwise_distance "
        "polar qr reciprocal relu rsqrt sigmoid softmax sqrt tan tanh"
    ),
    "x": "vander",
    "grid input": "grid_sampler",
    "index input": "gather take",
    "input max": "clamp_max",
    "input min": "clamp_min",
    "input other": "atan2 fmax fmin logaddexp logaddexp2 maximum minimum xlog1py xlogy",
    "input result": (
        "amax amin aminmax cumprod det erfcx i0e i1 i1e linalg_det log_ndtr logcumsumexp "
        "logsumexp matrix_power nanmedian norm pdist pinverse prod sgn slogdet std std_mean"
    ),
    "input target": (
        "binary_cross_entropy binary_cross_entropy_with_logits huber_loss mse_loss "
        "multi_margin_loss multilabel_margin_loss smooth_l1_loss soft_margin_loss"
    ),
    "input weight": (
        "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d group_norm prelu"
    ),
    "A input result": "triangular_solve",
    "LU_data input result": "lu_solve",
    "bias input weight": "layer_norm",
    "input max min": "clamp",
    "input other result": "dist",
    "input target weight": "multilabel_soft_margin_loss nll_loss",
    "log_probs result targets": "ctc_loss",
    "result x1 x2": "cdist",
    "input input2 input3 result": "ormqr",
}
# Of those that are listed, the ops that are linear in each argument: what is not kept does not matter.
PRODUCTS = frozenset(
    "addbmm addcmul addmm addmv addr baddbmm bmm dot inner kron lerp linear matmul mm mul mv outer "
    "tensordot vdot".split()
)
# op -> for each argument that needs a gradient, what is kept
BY_NEED = {
    "addbmm": {"input": "", "batch1": "batch2", "batch2": "batch1"},
    "addcdiv": {"input": "tensor2", "tensor1": "tensor2", "tensor2": "tensor1 tensor2"},
    "addcmul": {"input": "", "tensor1": "tensor2", "tensor2": "tensor1"},
    "addmm": {"input": "", "mat1": "mat2", "mat2": "mat1"},
    "addmv": {"input": "", "mat": "vec", "vec": "mat"},
    "addr": {"input": "", "vec1": "vec2", "vec2": "vec1"},
    "baddbmm": {"input": "", "batch1": "batch2", "batch2": "batch1"},
    "bilinear": {
        "input1": "input2 weight",
        "input2": "input1 weight",
        "weight": "input1 input2",
        "bias": "",
    },
    "bmm": {"input": "mat2", "mat2": "input"},
    "complex": {"real": "real", "imag": "imag"},
    "copysign": {"input": "input result", "other": "result"},
    "cosine_similarity": {"x1": "x1", "x2": "x2"},
    "cov": {"input": "aweights fweights", "aweights": "aweights fweights input"},
    "cross": {"input": "other", "other": "input"},
    "cross_entropy": {"input": "target", "target": "inside"},
    "div": {"input": "other", "other": "input other"},
    "dot": {"input": "tensor", "tensor": "input"},
    "float_power": {"input": "input exponent", "exponent": "input exponent result"},
    "fmod": {"input": "", "other": "input other"},
    "hypot": {"input": "input result", "other": "other result"},
    "index_add": {"input": "", "source": "index source"},
    "index_copy": {"input": "index", "source": "index source"},
    "inner": {"input": "other", "other": "input"},
    "kl_div": {"input": "target", "target": "input target"},
    "kron": {"input": "other", "other": "input"},
    "ldexp": {"input": "other result", "other": "result"},
    "lerp": {"input": "weight", "end": "weight", "weight": "end input weight"},
    "linear": {"input": "weight", "weight": "input", "bias": ""},
    "matmul": {"input": "other", "other": "input"},
    "mm": {"input": "mat2", "mat2": "input"},
    "mul": {"input": "other", "other": "input"},
    "mv": {"input": "vec", "vec": "input"},
    "outer": {"input": "vec2", "vec2": "input"},
    "poisson_nll_loss": {"input": "target", "target": "input target"},
    "pow": {"input": "input exponent", "exponent": "input exponent result"},
    "put": {"input": "index", "source": "index source"},
    "remainder": {"input": "", "other": "input other"},
    "rms_norm": {"input": "input weight", "weight": "inside"},
    "scaled_dot_product_attention": {"query": "value", "key": "value", "value": "inside"},
    "scatter_add": {"input": "", "src": "index"},
    "tensordot": {"a": "b", "b": "a"},
    "true_divide": {"input": "other", "other": "input other"},
    "vdot": {"input": "other", "other": "input"},
}
