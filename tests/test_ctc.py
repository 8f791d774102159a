"""CTC loss and adaptive softmax against torch."""

from __future__ import annotations

import jax
import numpy as np
import pytest
import torch as real
from jax import numpy as jnp

import torchcompat
from tests._both import attempt, both
from tests._parity import assert_close, assert_equal, to_ours
from torchcompat.func import functional_call
from torchcompat.nn import functional as F

T, N, C = 12, 4, 6


def log_probs(dtype: real.dtype = real.float32) -> real.Tensor:
    real.manual_seed(0)
    return real.randn(T, N, C, dtype=dtype).log_softmax(-1)


TARGETS = real.tensor([[1, 2, 3, 3], [2, 2, 1, 5], [4, 1, 1, 1], [5, 4, 3, 2]])
# name -> input lengths, target lengths, keywords
CASES = {
    "mean": ([12, 9, 5, 12], [4, 3, 1, 2], {}),
    "sum": ([12, 9, 5, 12], [4, 3, 1, 2], {"reduction": "sum"}),
    "none": ([12, 9, 5, 12], [4, 3, 1, 2], {"reduction": "none"}),
    "another blank": ([12, 9, 12, 12], [4, 3, 1, 2], {"blank": 0}),
    "empty target": ([12, 9, 1, 12], [0, 3, 0, 2], {}),
    "impossible": ([12, 3, 2, 12], [4, 3, 3, 2], {"reduction": "none"}),
    "impossible in a mean": ([12, 3, 2, 12], [4, 3, 3, 2], {}),
    "impossible but zero": ([12, 3, 2, 12], [4, 3, 3, 2], {"zero_infinity": True}),
    "no input": ([0, 0, 12, 12], [0, 1, 3, 2], {"reduction": "none"}),
    "no input but zero": ([0, 0, 12, 12], [0, 1, 3, 2], {"zero_infinity": True}),
}


def value_and_slope(x, targets, heard, said, **options):
    """Ours: the losses, and the slope of their weighted sum."""
    with jax.enable_x64(True):
        arrays = [jnp.asarray(np.asarray(one)) for one in (targets, heard, said)]
        run = lambda x: F.ctc_loss(x, *arrays, **options)  # noqa: E731
        loss, pull = jax.vjp(run, jnp.asarray(x.numpy()))
        return loss, pull(jnp.ones_like(loss))[0]


@pytest.mark.parametrize(
    ("joined", "dtype"),
    [(False, real.float32), (True, real.float64)],
    ids=["rows of float32", "joined float64"],
)
@pytest.mark.parametrize("name", CASES)
def test_ctc_loss(name: str, joined: bool, dtype: real.dtype) -> None:
    heard, said, options = CASES[name]
    targets = TARGETS
    if joined:
        targets = real.cat([row[:n] for row, n in zip(TARGETS, said)])
    x = log_probs(dtype)
    leaf = x.clone().requires_grad_()
    lengths = real.tensor(heard), real.tensor(said)
    want = real.nn.functional.ctc_loss(leaf, targets, *lengths, **options)
    (slope,) = real.autograd.grad(want.sum(), leaf)
    got, found = value_and_slope(x, targets, heard, said, **options)
    assert_close(got, want, "loss")
    # In float32 torch adds and subtracts logarithms of about 30; in float64 both agree to 1e-9.
    assert_close(found, slope, "slope", factor=3)


def test_slope_of_what_is_not_normalised_is_torchs() -> None:
    """torch's slope has the one of `log_softmax` folded in, whatever came before."""
    x = real.randn(T, N, C, dtype=real.float64)
    leaf = x.clone().requires_grad_()
    heard, said, _ = CASES["mean"]
    real.nn.functional.ctc_loss(leaf, TARGETS, real.tensor(heard), real.tensor(said)).backward()
    assert_close(value_and_slope(x, TARGETS, heard, said)[1], leaf.grad)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_unbatched(reduction: str) -> None:
    x = log_probs()[:, 0]
    for lengths in ((real.tensor(12), real.tensor(4)), (real.tensor([12]), real.tensor([4]))):
        want = real.nn.functional.ctc_loss(x, TARGETS[0], *lengths, reduction=reduction)
        got = F.ctc_loss(*to_ours((x, TARGETS[0], *lengths)), reduction=reduction)
        assert_close(got, want)


def test_lengths_may_be_traced() -> None:
    """One program serves all lengths; joined targets too."""
    x, heard, said = log_probs(), [12, 9, 5, 12], [4, 3, 1, 2]
    joined = np.concatenate([row[:n] for row, n in zip(TARGETS.numpy(), said)])
    want = real.nn.functional.ctc_loss(x, TARGETS, real.tensor(heard), real.tensor(said))
    traces = []

    @jax.jit
    def run(x, targets, heard, said):
        traces.append(targets.shape)
        return F.ctc_loss(x, targets, heard, said)

    lengths = jnp.array(heard), jnp.array(said)
    for targets in (TARGETS.numpy(), joined):
        assert_close(run(jnp.asarray(x.numpy()), targets, *lengths), want)
    run(jnp.asarray(x.numpy()), TARGETS.numpy(), lengths[0] - 1, lengths[1])
    assert len(traces) == 2


@both
def test_forms_and_errors(torch):
    loss = torch.nn.functional.ctc_loss
    lp = (torch.arange(90.0).reshape(6, 3, 5) * 0.7).sin().log_softmax(-1)
    nothing = torch.zeros(0, dtype=torch.int64)
    yield attempt(loss, lp, nothing, [6, 5, 4], [0, 0, 0], reduction="none")
    targets = torch.tensor([[1, 2, 3], [2, 2, 1], [4, 1, 1]])
    heard, said = torch.tensor([6, 5, 4]), torch.tensor([3, 2, 1])
    joined = torch.tensor([1, 2, 3, 2, 2, 4])
    yield attempt(loss, lp, targets, (6, 5, 4), (3, 2, 1))
    yield attempt(loss, lp, targets.int(), heard.int(), said.int())
    for kind in (torch.float32, torch.uint8, torch.int16):
        yield attempt(loss, lp, targets.to(kind), heard, said)
    yield attempt(loss, lp, targets, heard.float(), said)
    yield attempt(loss, lp, targets, heard, said.float())
    for reduction in ("foo", "elementwise_mean"):
        yield attempt(loss, lp, targets, heard, said, reduction=reduction)
    for blank in (5, -1, 4):
        yield attempt(loss, lp, targets, heard, torch.tensor([3, 2, 0]), blank=blank)
    for kind in (torch.float16, torch.bfloat16, torch.int64):
        yield attempt(loss, lp.to(kind), targets, heard, said)
    yield attempt(loss, lp, joined, heard, said), attempt(loss, lp, joined[:5], heard, said)
    for lengths in ([7, 5, 4], [-1, 5, 4], [6, 5]):
        yield attempt(loss, lp, targets, torch.tensor(lengths), said)
    for lengths in ([-1, 2, 1], [4, 2, 1], [3, 2]):
        yield attempt(loss, lp, targets, heard, torch.tensor(lengths))
    one = torch.tensor(6), torch.tensor(3)
    yield attempt(loss, lp[:, 0], targets[0], *one), attempt(loss, lp[:, 0], targets[:1], *one)
    yield attempt(loss, lp[:, 0], targets[0], torch.tensor(6), torch.tensor(2))
    yield attempt(loss, lp[None], targets, heard, said)
    yield attempt(loss, lp, targets[None], heard, said)
    yield attempt(loss, lp, targets[:2], heard, said)
    yield attempt(loss, lp, torch.zeros(3, 0, dtype=torch.int64), heard, torch.tensor([0, 0, 0]))
    for empty in (lp[:0], lp[:, :0], lp[..., :0]):
        yield attempt(loss, empty, targets, heard, said)
    module = torch.nn.CTCLoss(1, "sum", True)
    yield repr(module), module(lp, targets, heard, said), attempt(torch.nn.CTCLoss, reduction="foo")


# -- adaptive softmax ----------------------------------------------------------------------------


def _adaptive(**options):
    made = []
    for library in (real, torchcompat):
        library.manual_seed(1)
        made.append(library.nn.AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], **options))
    return made


@pytest.mark.parametrize("options", [{}, {"head_bias": True, "div_value": 2.0}])
def test_adaptive_softmax(options: dict) -> None:
    theirs, ours = _adaptive(**options)
    assert repr(ours) == repr(theirs)
    state = ours.state_dict()
    assert list(state) == list(theirs.state_dict())
    for name, value in theirs.state_dict().items():
        assert_equal(state[name], value, name)
    x, target = real.randn(40, 16, requires_grad=True), real.arange(40) % 20
    want = theirs(x, target)
    got = ours(*to_ours((x.detach(), target)))
    assert got._fields == want._fields and type(got).__name__ == "_ASMoutput"
    assert_close(got.output, want.output), assert_close(got.loss, want.loss)
    assert_close(ours.log_prob(to_ours(x.detach())), theirs.log_prob(x), "log_prob")
    assert_close(ours.predict(to_ours(x.detach())), theirs.predict(x), "predict")
    single = ours(*to_ours((x[0].detach(), target[7])))
    assert_close(single.output, theirs(x[0], target[7]).output)
    parameters = dict(theirs.named_parameters())
    names = sorted(parameters)
    expected = real.autograd.grad(want.loss, [*(parameters[name] for name in names), x])

    def loss(state, x):
        return functional_call(ours, state, (x, target.numpy())).loss

    arrays = {name: p._read() for name, p in ours.named_parameters()}
    found = jax.grad(loss, argnums=(0, 1))(arrays, jnp.asarray(x.detach().numpy()))
    for a, b in zip(jax.tree.leaves(found), expected, strict=True):
        assert_close(a, b, "gradient")


@both
def test_adaptive_softmax_errors(torch):
    make = torch.nn.AdaptiveLogSoftmaxWithLoss
    for cutoffs in ([], [5, 5], [10, 5], [0, 5], [5, 20], [5.5], (5,), iter([5, 10])):
        yield attempt(make, 16, 20, cutoffs)
    layer = make(16, 20, [5, 10])
    yield layer.cutoffs, layer.shortlist_size, layer.n_clusters, layer.head_size
    x = torch.zeros(4, 16)
    for target in ([0, 6, 12], [0, 6, 12, 20], [-1, 6, 12, 9], [[0, 6, 12, 19]], 3, [0.0] * 4):
        yield attempt(layer, x, torch.tensor(target))
    yield attempt(layer, x[0], torch.tensor([0, 6]))
    yield attempt(layer, x[None], torch.tensor([0]))
    yield attempt(layer, x[0], torch.tensor([0] * 16))
