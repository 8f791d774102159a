"""Every layer with parameters, drawn from one seed and trained by hand under both libraries.

The default run trains every fourth; `TORCHCOMPAT_WHOLE=1` trains all.
"""

from __future__ import annotations

import pytest
import torch

import torchcompat
from tests._module_cases import NAMES, WHOLE, Case, inputs
from tests._module_checks import flat
from tests._parity import LOOSER, assert_close, assert_equal
from tests._record import aspect

STEPS, RATE, SEED = 3, 0.02, 7
TRAINED = (
    *("AdaptiveLogSoftmaxWithLoss", "Bilinear", "Embedding", "EmbeddingBag", "GroupNorm"),
    *("LayerNorm", "RMSNorm", "Linear", "LazyLinear", "LinearCrossEntropyLoss", "PReLU"),
    *("MultiheadAttention", "Sequential", "SyncBatchNorm", "Transformer", "TransformerDecoder"),
    *(f"Transformer{part}{layer}" for part, layer in (("Encoder", ""), ("Encoder", "Layer"))),
    "TransformerDecoderLayer",
    *(f"{kind}{form}" for kind in ("RNN", "LSTM", "GRU") for form in ("", "Cell")),
    *(f"{lazy}{kind}{n}d" for lazy in ("", "Lazy") for n in (1, 2, 3) for kind in (
        "Conv", "ConvTranspose", "BatchNorm", "InstanceNorm"
    )),
)  # fmt: skip
# class with parameters -> why it is not trained
EXCLUDED = dict.fromkeys(
    "Container ModuleDict ModuleList ParameterDict ParameterList RNNBase RNNCellBase".split(),
    "has no forward",
)


def rows_with_parameters(name):
    for row in inputs(name, True, torch.float32, 4):
        torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
        case = Case(name, row, True, torch.float32)
        if any(True for _ in case.theirs.parameters()):
            yield case


def step(library, case, module):
    """One step of gradient descent on the outputs' mean squares; returns their sum."""
    out = [x for x in flat(case.call(library, module)) if x.requires_grad]
    loss = sum((x * x).mean() for x in out)
    loss.backward()
    with library.no_grad():
        for p in module.parameters():
            if p.grad is not None:
                p -= RATE * p.grad
                p.grad = None
    return loss


def test_every_layer_with_parameters_is_here():
    found = {name for name in NAMES if next(rows_with_parameters(name), None) is not None}
    assert found == {*TRAINED, *EXCLUDED}


@pytest.mark.parametrize("name", TRAINED if WHOLE else TRAINED[::4])
def test_training(name):
    case = next(rows_with_parameters(name))
    theirs, ours = case.theirs.train(), case.ours.train()
    if hasattr(theirs, "initialize_parameters"):
        torch.manual_seed(SEED), torchcompat.manual_seed(SEED)
        case.call(torch), case.call(torchcompat)
    for (key, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert_equal(a, b, f"initial {key}")
    factor = max(4.0, LOOSER.get(name, (1.0, ""))[0])
    with aspect("trained"):
        for number in range(STEPS):
            mine, other = step(torchcompat, case, ours), step(torch, case, theirs)
            assert_close(mine, other, f"loss of step {number}", factor)
        for (key, a), b in zip(ours.state_dict().items(), theirs.state_dict().values()):
            assert_close(a, b, f"trained {key}", factor)
