"""Every layer against torch's own table of modules, `module_db`, row by row.

`DONE` grows as layers are built; what is left of the table is counted by `test_remaining`.
"""

from __future__ import annotations

import pytest
import torch

from tests._module_cases import INFO, failures

# The layers that issue 2 names, by file.
DONE = (
    *("Linear", "Bilinear", "Embedding"),
    *(f"{lazy}Conv{n}d" for lazy in ("", "Lazy") for n in (1, 2, 3)),
    *(f"{lazy}ConvTranspose{n}d" for lazy in ("", "Lazy") for n in (1, 2, 3)),
    *("FractionalMaxPool2d", "FractionalMaxPool3d"),
    *(f"{kind}Norm{n}d" for kind in ("Batch", "Instance") for n in (1, 2, 3)),
    *("GroupNorm", "LayerNorm", "RMSNorm", "LocalResponseNorm"),
    *(f"{kind}Pool{n}d" for kind in ("Max", "Avg", "LP") for n in (1, 2, 3)),
    *(f"Adaptive{kind}Pool{n}d" for kind in ("Max", "Avg") for n in (1, 2, 3)),
    *(f"{kind}Pad{n}d" for kind in ("Circular", "Constant", "Zero") for n in (1, 2, 3)),
    *(f"{kind}Pad{n}d" for kind in ("Reflection", "Replication") for n in (1, 2, 3)),
    *(f"{kind}{form}" for kind in ("RNN", "LSTM", "GRU") for form in ("", "Cell")),
    *(name for name in torch.nn.modules.activation.__all__ if name in INFO),
    *(name for name in torch.nn.modules.loss.__all__ if name in INFO),
    *(name for name in torch.nn.modules.transformer.__all__ if name in INFO),
)

# The rest of the table belongs to issue 3.
REMAINING = sorted(set(INFO) - set(DONE))

# float64 is a sample of the same code: these layers stand for their families.
SAMPLE = (
    "GroupNorm",
    "Linear",
    "Conv2d",
    "BatchNorm2d",
    "MaxPool2d",
    "AvgPool3d",
    "ReflectionPad2d",
    "GELU",
    "CrossEntropyLoss",
    "MultiheadAttention",
)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("name", DONE)
def test_float32(name: str, training: bool) -> None:
    found = list(failures(name, training, torch.float32))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", SAMPLE)
def test_float64(name: str) -> None:
    found = list(failures(name, True, torch.float64))
    assert not found, "\n".join(found)


def test_remaining() -> None:
    """The two tables cover torch's, and nothing is listed that torch does not have."""
    assert set(DONE) <= set(INFO)
    assert len(DONE) + len(REMAINING) == len(INFO)
