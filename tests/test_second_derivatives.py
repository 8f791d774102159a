"""Second derivatives against torch's, and `gradcheck` of every differentiable op, in float64.

The default run takes a part of the ops; `TORCHCOMPAT_WHOLE=1` takes all.
"""

import math
import warnings

import pytest
import torch

import torchcompat
from tests._op_cases import ENTRIES, WHOLE, _leaves, counterpart
from tests._op_rows import EXCLUDED, EXCLUDED_GRADIENTS, NOT_BUILT
from tests._parity import assert_close, to_ours

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

# One of each kind of formula: 40 ops.
SECOND = (
    "add addcdiv addmm atan2 bmm cat cholesky clamp cos cumprod cumsum div/no_rounding_mode "
    "einsum erf exp gather hypot index_select linalg.det linalg.inv linalg.norm log logsumexp "
    "masked_fill matmul max/reduction_with_dim mul nn.functional.conv2d "
    "nn.functional.cross_entropy nn.functional.gelu nn.functional.layer_norm "
    "nn.functional.linear nn.functional.mse_loss nn.functional.softplus prod sigmoid softmax "
    "sqrt tanh var "
).split()
# entry -> why `gradcheck` is not run on it
UNCHECKED: dict[str, str] = dict.fromkeys(
    [f"nn.functional.max_unpool{n}d" for n in (1, 2, 3)],
    "equal indices: which of the values lands is open; the variant `grad` is checked",
) | dict.fromkeys(
    ["bfloat16", "half", "float", "cfloat", "chalf"], "rounds more than a finite difference allows"
)


def _checkable(name):
    entry = ENTRIES[name]
    return (
        entry.supports_autograd
        and entry.supports_dtype(torch.float64, "cpu")
        and name.split("/")[0] not in NOT_BUILT
        and name not in EXCLUDED
        and name not in EXCLUDED_GRADIENTS
        and name not in UNCHECKED
    )


CHECKED = [name for name in ENTRIES if _checkable(name)]


def smallest(entry):
    """The entry's first sample whose tensors are small and need a gradient, or None."""
    for sample in entry.sample_inputs("cpu", torch.float64, requires_grad=True):
        tensors = _leaves(((sample.input, *sample.args), sample.kwargs))
        tensors = [x for x in tensors if isinstance(x, torch.Tensor)]
        moving = [x for x in tensors if x.requires_grad]
        if moving and all(0 < x.numel() <= 500 for x in tensors):
            return sample
    return None


def wrapper_of(entry):
    """What torch has `gradcheck` call an entry through; the seed is set here."""
    if entry.gradcheck_wrapper.__name__ == "wrapper_set_seed":
        return lambda function, *args, **kwargs: function(*args, **kwargs)
    return counterpart(entry.gradcheck_wrapper)


def own(sample):
    """The sample's arguments as ours, and those that need a gradient."""
    arguments = (sample.input, *sample.args), sample.kwargs
    mine = to_ours(arguments)
    moving = []
    for x, theirs in zip(_leaves(mine), _leaves(arguments), strict=True):
        if isinstance(theirs, torch.Tensor) and theirs.requires_grad:
            moving.append(x.requires_grad_())
    return mine, moving


def second(library, function, arguments, moving):
    """The gradients of a weighted sum of the squared first gradients."""
    outs = [x for x in _leaves(function(*arguments[0], **arguments[1])) if _needs(x)]
    total = sum((x * (x + 1)).abs().sum() if x.dtype.is_complex else (x * x).sum() for x in outs)
    first = library.autograd.grad(total, moving, create_graph=True, allow_unused=True)
    squares = [
        (g * g).abs().sum() if g.dtype.is_complex else (g * g).sum() for g in first if g is not None
    ]
    squares = [x for x in squares if x.requires_grad]
    if not squares:
        return None
    return library.autograd.grad(sum(squares), moving, materialize_grads=True, allow_unused=True)


def _needs(x):
    return isinstance(x, (torch.Tensor, torchcompat.Tensor)) and x.requires_grad


@pytest.mark.parametrize("name", SECOND if WHOLE else SECOND[::4])
def test_second_derivative(name):
    entry = ENTRIES[name]
    sample = smallest(entry)
    theirs = [x for x in _leaves(((sample.input, *sample.args), sample.kwargs)) if _needs(x)]
    mine, moving = own(sample)
    want = second(torch, entry.op, ((sample.input, *sample.args), sample.kwargs), theirs)
    got = second(torchcompat, counterpart(entry.op), mine, moving)
    assert want is not None and got is not None
    for a, b in zip(got, want, strict=True):
        assert_close(a.detach(), b.detach(), name, 100.0)


@pytest.mark.parametrize("name", CHECKED if WHOLE else CHECKED[::36])
def test_gradcheck(name):
    entry = ENTRIES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = smallest(entry)
        if sample is None:
            return
        arguments, moving = own(sample)
        function, wrapper = counterpart(entry.op), wrapper_of(entry)
        out = [x for x in _leaves(function(*arguments[0], **arguments[1])) if _needs(x)]
        if not out or math.prod(moving[0].shape) == 0:
            return
        places = {id(x): i for i, x in enumerate(moving)}

        def call(*values):
            def put(x):
                if isinstance(x, (tuple, list)):
                    return type(x)(map(put, x))
                return values[places[id(x)]] if id(x) in places else x

            torchcompat.manual_seed(42)
            keywords = {k: put(v) for k, v in arguments[1].items()}
            found = wrapper(function, *put(arguments[0]), **keywords)
            return tuple(x for x in _leaves(found) if isinstance(x, torchcompat.Tensor))

        assert torchcompat.autograd.gradcheck(call, tuple(moving), fast_mode=True)
