"""Every `nn.functional.*` entry of torch's `op_db` under `torchcompat.compile`."""

import warnings

import pytest
import torch

import torchcompat
from tests._op_cases import ENTRIES, WHOLE, _leaves, compare, counterpart, samples
from tests._parity import to_ours

# Samples of an entry in the whole sweep: each is an XLA program of its own.
COUNT = 8
# entry -> reason
DRAWS = dict.fromkeys(
    (
        f"nn.functional.{name}"
        for name in (
            "alpha_dropout dropout dropout2d dropout3d feature_alpha_dropout/with_train "
            "feature_alpha_dropout/without_train rrelu fractional_max_pool2d fractional_max_pool3d "
            "scaled_dot_product_attention multi_head_attention_forward"
        ).split()
    ),
    "draws its random numbers from a JAX key under compile",
)
NOT_COMPILED = {
    **DRAWS,
    "nn.functional.one_hot": "the size of its result depends on values: NotImplementedError",
}
NAMES = sorted(n for n in ENTRIES if n.startswith("nn.functional."))
KINDS = torch.float32, torch.complex64, torch.int64


def test_rows_name_entries():
    assert set(NOT_COMPILED) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES if WHOLE else NAMES[::6])
def test_compiled(name):
    entry = ENTRIES[name]
    dtype = next((kind for kind in KINDS if entry.supports_dtype(kind, "cpu")), None)
    if dtype is None or name in NOT_COMPILED:
        return
    compiled = torchcompat.compile(counterpart(entry.op))
    for number, sample in zip(range(COUNT), samples(entry, dtype, 1)):
        args, kwargs = to_ours(((sample.input, *sample.args), sample.kwargs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = entry.op(sample.input, *sample.args, **sample.kwargs)
            found = compiled(*args, **kwargs)
        pairs = list(zip(_leaves(found), _leaves(expected), strict=True))
        compare(pairs, f"{name} {dtype} sample {number}: {sample.summary()}")
