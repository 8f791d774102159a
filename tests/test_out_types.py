"""`out=` of another type or size: torch's errors and warnings."""

import warnings

import pytest
import torch
from _lines import check, lines

import torchcompat

# op -> its arguments, as sizes of float32 tensors or plain values
CALLS = {
    "neg": ((2, 2),),
    "floor": ((2, 2),),
    "exp": ((2, 2),),
    "add": ((2, 2), 1),
    "mm": ((2, 2), (2, 2)),
    "triu": ((2, 2),),
    "matmul": ((2, 2), (2, 2)),
    "amax": ((2, 2),),
    "argmax": ((2, 2),),
    "softmax": ((2, 2), 1),
    "masked_select": ((2, 2), True),
    "nonzero": ((2, 2),),
}


def outcome(framework, name, kind, size):
    values = [framework.ones(x) if isinstance(x, tuple) else x for x in CALLS[name]]
    values = [framework.ones(2, 2, dtype=framework.bool) if x is True else x for x in values]
    out = framework.empty(size, dtype=getattr(framework, kind))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = getattr(framework, name)(*values, out=out)
        except (RuntimeError, TypeError) as error:
            return type(error).__name__, str(error)
    texts = {str(one.message).split(" (Triggered")[0] for one in caught}
    return result.tolist(), str(result.dtype), texts


@pytest.mark.parametrize("size", [(2, 2), (3,)])
@pytest.mark.parametrize("kind", ["float64", "int64"])
@pytest.mark.parametrize("name", CALLS)
def test_outcome(name, kind, size):
    assert outcome(torchcompat, name, kind, size) == outcome(torch, name, kind, size)


@pytest.mark.parametrize("method", ["sort", "kthvalue", "max"])
def test_indices_that_a_gradient_needs(method):
    """Indices of a result are kept: writing to them forbids the backward pass."""

    def run(framework):
        x = framework.tensor([[3.0, 1.0], [2.0, 5.0]], requires_grad=True)
        arguments = (1,) if method == "kthvalue" else ()
        values, indices = getattr(x, method)(*arguments, dim=1)
        indices.add_(1)
        try:
            values.sum().backward()
        except RuntimeError as error:
            return str(error)

    assert run(torchcompat) == run(torch)


LINES = """
torch.isnan(x, out=torch.ones(2, 2))
torch.diag_embed(x, out=torch.ones(2, 2))
torch.flip(x, (0,), out=torch.ones(2, 2))
torch.nn.functional.hardswish(x, out=torch.ones(2, 2))
torch.zeros(2, dtype=torch.float32, out=torch.ones(2).double())
torch.zeros(2, out=torch.ones(2).double())
torch.zeros(2, out=torch.ones(2, requires_grad=True))
torch.arange(2, out=torch.ones(2, requires_grad=True))
torch.rand(2, out=torch.ones(2, requires_grad=True))
torch.full((2,), 1, dtype=torch.int64, out=torch.ones(2))
torch.bernoulli(torch.ones(2), out=torch.ones(2).double())
"""


@pytest.mark.parametrize("line", lines(LINES))
def test_lines(line):
    check(line)
