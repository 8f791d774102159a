"""The strides of results where inputs are transposed or hold channels last: those of torch."""

import pytest
import torch
from torch.utils import _pytree

import torchcompat
from tests._op_cases import ENTRIES, WHOLE, counterpart, samples
from tests._op_rows import EXCLUDED, NOT_BUILT
from tests._parity import to_ours

# Entries whose results lie as LAPACK, random numbers or a loop over them left them in torch.
_OTHERWISE = frozenset(
    """cholesky_inverse cholesky_solve diff geqrf lu nanquantile quantile native_batch_norm
    _native_batch_norm_legit lu_solve ormqr qr _batch_norm_with_update
    nn.functional.conv_transpose3d""".split()
)
NAMES = [
    name
    for name, entry in ENTRIES.items()
    if torch.float32 in entry.dtypes
    and not name.startswith(
        ("linalg", "fft", "signal", "_refs", "ops", "sparse", "masked", "torch")
    )
    and name.split("/")[0] not in NOT_BUILT
    and name not in EXCLUDED
    and name not in _OTHERWISE
]


def transposed(x):
    """The same tensor with its dimensions the other way round in memory."""
    order = tuple(reversed(range(x.dim())))
    return x.permute(order).contiguous().permute(order)


def channels_last(x):
    """The same tensor with its second dimension the innermost in memory."""
    if x.dim() not in (4, 5):
        return x
    last = (0, *range(2, x.dim()), 1)
    back = (0, x.dim() - 1, *range(1, x.dim() - 1))
    return x.permute(last).contiguous().permute(back)


def arranged(tree, arrange, kind):
    return _pytree.tree_map_only(kind, arrange, tree)


def steps(result):
    """The strides along dimensions that have any, of results that share no memory with inputs."""
    results = result if isinstance(result, (tuple, list)) else [result]
    return [
        None if x._is_view() or 0 in x.shape else [s for n, s in zip(x.shape, x.stride()) if n != 1]
        for x in results
        if hasattr(x, "stride")
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("arrange", [transposed, channels_last])
@pytest.mark.parametrize("name", NAMES if WHOLE else NAMES[::30])
def test_strides(name, arrange):
    entry = ENTRIES[name]
    ours = counterpart(entry.op)
    for sample in samples(entry, torch.float32, 2):
        given = (sample.input, *sample.args), sample.kwargs
        args, kwargs = arranged(given, arrange, torch.Tensor)
        own_args, own_kwargs = arranged(to_ours(given), arrange, torchcompat.Tensor)
        try:
            want = steps(entry.op(*args, **kwargs))
        except RuntimeError:
            continue
        found = steps(ours(*own_args, **own_kwargs))
        pairs = [(a, b) for a, b in zip(found, want) if b is not None]
        assert [a for a, _ in pairs] == [b for _, b in pairs], sample.summary()


def test_compiled_results_lie_as_eager_ones():
    """What a compiled function returns can be viewed as the eager result can."""

    def run(x):
        return x.transpose(1, 2) + 1, x.transpose(1, 2).relu() @ x

    x = torchcompat.randn(2, 3, 4)
    eager, compiled = run(x), torchcompat.compile(run)(x)
    assert [y.stride() for y in compiled] == [y.stride() for y in eager]
    assert torchcompat.equal(compiled[0], eager[0])
    assert compiled[0].transpose(1, 2).view(2, 12).shape == (2, 12)
