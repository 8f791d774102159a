"""What `test_ops.py` leaves out, each with its reason."""


def _rows(reason: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), reason)


# Entries (without their variant) that torchcompat has no function for.
NOT_BUILT = (
    _rows(
        "multiplies 8-bit floats on a GPU",
        "torch._scaled_mm torch._scaled_mm_v2",
    )
    | _rows(
        "a GPU's kernel, reached through nn.functional.scaled_dot_product_attention",
        "torch.ops.aten._efficient_attention_forward torch.ops.aten._flash_attention_forward",
    )
    | _rows(
        "compiles CUDA source",
        "jiterator_unary jiterator_binary jiterator_4inputs_with_extra_args "
        "jiterator_binary_return_by_ref jiterator_2inputs_2outputs",
    )
    | _rows("sparse tensors are not built", "sparse.mm sparse.sampled_addmm to_sparse")
    | _rows("complex32 is not a NumPy type", "chalf")
    | _rows(
        "torch.masked is not built yet",
        " ".join(
            f"masked.{name}"
            for name in [
                "sum",
                "prod",
                "cumsum",
                "cumprod",
                "amax",
                "amin",
                "argmax",
                "argmin",
                "mean",
                "median",
                "norm",
                "var",
                "std",
                "softmax",
                "log_softmax",
                "softmin",
                "normalize",
                "logaddexp",
                "logsumexp",
            ]
        ),
    )
)

EXCLUDED = (
    _rows(
        "uninitialised values",
        "empty empty_like empty_permuted empty_strided new_empty new_empty_strided",
    )
    | _rows(
        "eigenvectors and singular vectors have no sign of their own: test_linalg.py",
        "linalg.eig linalg.eigh linalg.svd svd",
    )
    | _rows(
        "singular vectors have no sign of their own: test_linalg_factors.py",
        "svd_lowrank pca_lowrank",
    )
    | _rows(
        "reads the storage of a tensor that the test hands over by value",
        "as_strided/partial_views",
    )
)

# Of a class of dtypes.
EXCLUDED_FOR = {
    **{
        (f"special.{name}", "float64"): "torch's own error is above 1e-7: test_special.py"
        for name in ("airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1")
    },
    ("addbmm", "bfloat16"): "torch rounds after every product of the sum, we at its end",
    ("matrix_exp", "bfloat16"): "torch overflows to NaN in half precision",
    ("histc", "bfloat16"): "torch computes the bins in half precision",
    ("argsort", "bfloat16"): "torch leaves open where equal elements come from",
    ("argsort", "integer"): "torch leaves open where equal elements come from",
    ("logcumsumexp", "complex"): "equal up to multiples of 2 pi i",
}

EXCLUDED_GRADIENTS = (
    _rows("torch returns a ZeroTensor, which has no values", "sgn")
    | _rows(
        "torch records a gradient that is always zero",
        "bernoulli normal normal/number_mean max_pool2d_with_indices_backward",
    )
    | _rows("torch records it and refuses in backward", "nextafter")
    | _rows("torch keeps a gradient of elements that were overwritten", "as_strided_scatter")
)

EXCLUDED_ERRORS = (
    _rows("NumPy's arrays have at most 64 dimensions", "amax amin aminmax")
    | _rows("calls a method on a number", "__radd__ __rdiv__ __rmul__ __rand__ __ror__ __rxor__")
    | _rows("torch refuses what `out` is, not what it gets", "complex multinomial kthvalue")
    | _rows("torch's type differs between int and float steps", "arange")
    | _rows("hands over a tensor without values beside one with values", "gradient")
    | _rows(
        "torch refuses what `out` is: an overlap, a type, a storage that cannot grow",
        "gather cat",
    )
    | _rows(
        "torch's own checks of the copying twin, which has no view to check",
        "narrow_copy",
    )
)

# Only the first result is compared.
FIRST_RESULT = _rows(
    "torch leaves open where equal elements come from: test_sorting.py",
    "sort topk kthvalue mode median nanmedian",
)

NOT_TRACED = (
    _rows(
        "the size of the result, or a Python number, depends on values",
        "unique unique_consecutive bincount nonzero masked_select argwhere equal allclose item "
        "combinations repeat_interleave linspace/tensor_overload logspace/tensor_overload "
        "tensor_split",
    )
    | _rows(
        "draws random numbers: test_random_keys.py",
        "normal normal/number_mean bernoulli rand_like randn_like randint_like multinomial",
    )
    | _rows("is not a function of arrays", "resize_ zero_ __getitem__ linalg.pinv/singular")
)
