"""Every `nn.functional` entry of torch's `op_db`: values, gradients, dtypes and error inputs.

The default run takes a few samples of each; `TORCHCOMPAT_WHOLE=1` takes all.
"""

import re
import warnings

import pytest
import torch

from tests._op_cases import CLASSES, ENTRIES, WHOLE, check, counterpart
from tests._parity import to_ours

NAMES = sorted(name for name in ENTRIES if name.startswith("nn.functional."))
KINDS = {**CLASSES, "float16": (torch.float16,)}
# Entries that have more samples where no gradients are asked for.
MORE_WITHOUT = {"nn.functional.multi_head_attention_forward"}
# entry -> reason
EXCLUDED: dict[str, str] = {}


def test_every_entry_is_here():
    assert len(NAMES) == 118
    assert set(EXCLUDED) <= set(NAMES) and len(EXCLUDED) <= 3


@pytest.mark.parametrize("name", [n for n in NAMES if n not in EXCLUDED])
def test_float32_values_and_gradients(name):
    entry = ENTRIES[name]
    kinds = torch.float32, torch.complex64, torch.int64
    dtype = next((kind for kind in kinds if entry.supports_dtype(kind, "cpu")), None)
    assert dtype is None or check(entry, dtype, 2)
    assert name not in MORE_WITHOUT or check(entry, dtype, 2, gradients=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [n for n in NAMES if n not in EXCLUDED])
def test_other_dtypes(name, kind):
    entry = ENTRIES[name]
    supported = [dtype for dtype in KINDS[kind] if entry.supports_dtype(dtype, "cpu")]
    if not supported:
        return
    for dtype in supported if WHOLE else supported[:1]:
        check(entry, dtype, 1)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in EXCLUDED and ENTRIES[n].error_inputs_func is not None]
)
def test_error_inputs(name):
    entry = ENTRIES[name]
    ours = counterpart(entry.op)
    for case in entry.error_inputs("cpu"):
        sample = case.sample_input
        args, kwargs = to_ours(((sample.input, *sample.args), sample.kwargs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(case.error_type) as caught:
                ours(*args, **kwargs)
        assert re.search(case.error_regex, str(caught.value)), (
            f"{sample.summary()}\nexpected: {case.error_regex}\ngot: {caught.value}"
        )
