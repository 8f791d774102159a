"""Losses against torch: values, gradients, reductions, types, warnings and errors."""

from __future__ import annotations

import functools
import warnings

import jax
import numpy as np
import pytest
import torch
import torch.nn.functional as theirs
from jax import numpy as jnp

import torchcompat
import torchcompat.nn.functional as ours
from tests._against_torch import compare, same_outcome
from tests._parity import assert_close, to_ours

INF = float("inf")
torch.manual_seed(0)
X, Y = torch.randn(4, 5), torch.randn(4, 5)
P, Q = torch.rand(4, 5), torch.rand(4, 5)
SIGNS = torch.tensor([1.0, -1.0, 1.0, -1.0])
CLASSES = torch.tensor([0, 4, 2, 2])
IGNORED = torch.tensor([0, -100, 2, -100])
IMAGE, IMAGE_CLASSES = torch.randn(2, 3, 2, 2), torch.randint(0, 3, (2, 2, 2))
WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.1, 3.0])
EQUAL = torch.tensor([[0.0, 1.0, -1.0, 2.0, 0.5]])
LISTS = torch.tensor([[0, 2, -1, 1, 0], [3, -1, 0, 0, 0], [-1, 0, 0, 0, 0], [4, 3, 2, 1, 0]])

# name, arguments, keyword arguments
ROWS = [
    ("l1_loss", (X, Y), {}),
    ("l1_loss", (EQUAL, EQUAL.clone()), {}),
    ("l1_loss", (X, Y), {"weight": P}),
    ("l1_loss", (X + 1j * Y, Y + 0j), {}),
    ("mse_loss", (X, Y), {}),
    ("mse_loss", (X, Y), {"weight": P}),
    ("mse_loss", (X, Y[0]), {}),
    ("smooth_l1_loss", (X, Y), {}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.3}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.0}),
    ("smooth_l1_loss", (EQUAL, torch.zeros(1, 5)), {}),
    ("huber_loss", (X, Y), {"delta": 0.5}),
    ("huber_loss", (X, Y), {"weight": P}),
    ("huber_loss", (EQUAL, torch.zeros(1, 5)), {}),
    ("binary_cross_entropy", (P, Q), {}),
    ("binary_cross_entropy", (P, Q), {"weight": P[0]}),
    ("binary_cross_entropy_with_logits", (X, Q), {}),
    ("binary_cross_entropy_with_logits", (X * 100, Q), {}),
    ("binary_cross_entropy_with_logits", (X, Q), {"weight": P, "pos_weight": WEIGHT}),
    ("kl_div", (X, Q), {}),
    ("kl_div", (X, Q), {"reduction": "batchmean"}),
    ("kl_div", (X, Y), {"log_target": True}),
    ("kl_div", (X, Q.round().detach()), {}),
    ("poisson_nll_loss", (X, Q * 5), {}),
    ("poisson_nll_loss", (P, Q * 5), {"log_input": False, "full": True}),
    ("gaussian_nll_loss", (X, Y, P), {}),
    ("gaussian_nll_loss", (X, Y, P[:, 0]), {"full": True}),
    ("gaussian_nll_loss", (X, Y, P[:, :1]), {}),
    ("gaussian_nll_loss", (X, Y, torch.zeros(4, 5)), {}),
    ("gaussian_nll_loss", (X, Y, 0.5), {}),
    ("hinge_embedding_loss", (X, X.detach().sign()), {}),
    ("hinge_embedding_loss", (torch.ones(3), -torch.ones(3)), {}),
    ("soft_margin_loss", (X, X.detach().sign()), {}),
    ("margin_ranking_loss", (X[0], Y[0], X[1].sign().detach()), {}),
    ("margin_ranking_loss", (EQUAL, EQUAL.clone(), torch.ones(1, 5)), {"margin": 0.0}),
    ("cosine_embedding_loss", (X, Y, SIGNS), {"margin": 0.2}),
    ("cosine_embedding_loss", (X[0], Y[0], torch.tensor(-1.0)), {}),
    ("cosine_embedding_loss", (torch.zeros(4, 5), Y, SIGNS), {}),
    ("triplet_margin_loss", (X, Y, P), {}),
    ("triplet_margin_loss", (X, Y, P), {"swap": True, "p": 1.0, "margin": 2.0}),
    ("triplet_margin_with_distance_loss", (X, Y, P), {"swap": True}),
    ("nll_loss", (X, CLASSES), {}),
    ("nll_loss", (X, CLASSES), {"weight": WEIGHT}),
    ("nll_loss", (X, IGNORED), {"weight": WEIGHT}),
    ("nll_loss", (X, CLASSES), {"ignore_index": 2}),
    ("nll_loss", (X[0], torch.tensor(3)), {}),
    ("nll_loss", (X, CLASSES.to(torch.uint8)), {}),
    ("nll_loss", (IMAGE, IMAGE_CLASSES), {}),
    ("nll_loss", (torch.randn(2, 3, 4), torch.zeros(2, 4).long()), {}),
    ("nll_loss", (torch.randn(0, 3), torch.zeros(0).long()), {}),
    ("cross_entropy", (X, CLASSES), {}),
    ("cross_entropy", (X * 100, CLASSES), {}),
    ("cross_entropy", (X, IGNORED), {"weight": WEIGHT, "label_smoothing": 0.1}),
    ("cross_entropy", (X, torch.full((4,), -100)), {}),
    ("cross_entropy", (X, CLASSES), {"label_smoothing": 1.0}),
    ("cross_entropy", (X[0], torch.tensor(1)), {"label_smoothing": 0.2}),
    ("cross_entropy", (IMAGE, IMAGE_CLASSES), {"label_smoothing": 0.2}),
    ("cross_entropy", (torch.randn(2, 3, 2, 2, 2), torch.ones(2, 2, 2, 2).long()), {}),
    ("cross_entropy", (X, Q), {}),
    ("cross_entropy", (X, Q), {"weight": WEIGHT, "label_smoothing": 0.3}),
    ("cross_entropy", (X[0], Q[0]), {}),
    ("cross_entropy", (IMAGE, torch.rand(2, 3, 2, 2)), {}),
    ("linear_cross_entropy", (X, torch.randn(3, 5), CLASSES % 3), {"linear_bias": torch.ones(3)}),
    ("linear_cross_entropy", (X, torch.randn(3, 2, 5), CLASSES[:, None].expand(4, 2) % 3), {}),
    ("multi_margin_loss", (X, CLASSES), {}),
    ("multi_margin_loss", (X, CLASSES), {"p": 2, "margin": 0.5, "weight": WEIGHT}),
    ("multi_margin_loss", (X[0], torch.tensor(1)), {}),
    ("multilabel_margin_loss", (X, LISTS), {}),
    ("multilabel_margin_loss", (X[0], LISTS[0]), {}),
    ("multilabel_soft_margin_loss", (X, Q), {}),
    ("multilabel_soft_margin_loss", (X, Q), {"weight": WEIGHT}),
    ("ctc_loss", (torch.randn(6, 2, 5), torch.tensor([[1, 2, 2], [3, 1, 0]]), (6, 5), (3, 2)), {}),
    ("ctc_loss", (torch.randn(6, 2, 5), torch.tensor([1, 2, 2, 3]), (6, 5), (3, 1)), {"blank": 4}),
    ("ctc_loss", (torch.randn(6, 5), torch.tensor([1, 1]), (6,), (2,)), {}),
    (
        "ctc_loss",
        (torch.randn(2, 2, 5), torch.tensor([[1, 1], [2, 3]]), (2, 2), (2, 2)),
        {"zero_infinity": True},
    ),
    ("cosine_similarity", (X, Y), {}),
    ("cosine_similarity", (X, Y[0]), {"dim": -1}),
    ("cosine_similarity", (torch.zeros(2, 3), torch.ones(2, 3)), {}),
    ("pairwise_distance", (X, Y), {}),
    ("pairwise_distance", (X, Y), {"p": 1.0, "keepdim": True}),
    ("pairwise_distance", (X, Y), {"p": 3.5}),
    ("pairwise_distance", (X, Y), {"p": INF}),
    ("pairwise_distance", (X, X.clone()), {"eps": 0.0}),
    ("pdist", (X,), {}),
    ("pdist", (X,), {"p": 1.0}),
    ("pdist", (X,), {"p": 0.0}),
    ("pdist", (X,), {"p": 3.0}),
]
NOT_REDUCED = {"cosine_similarity", "pairwise_distance", "pdist"}
# The argument that torch gives no gradient, or one that is not finite: 0 * log(0).
FIXED = {"soft_margin_loss": 1, "kl_div": 1, "hinge_embedding_loss": 1, "margin_ranking_loss": 2}
FIXED |= {"cosine_embedding_loss": 2, "poisson_nll_loss": 1, "gaussian_nll_loss": None}
# In half types torch rounds after each step: these are compared where its steps keep the digits.
ROUNDED = {"hinge_embedding_loss", "poisson_nll_loss", "kl_div", "gaussian_nll_loss", "pdist"}
ROUNDED |= {"cosine_similarity", "triplet_margin_with_distance_loss", "triplet_margin_loss"}
ROUNDED |= {"pairwise_distance", "cosine_embedding_loss", "binary_cross_entropy_with_logits"}
ROUNDED |= {"linear_cross_entropy"}
NO_HALVES = {"pdist", "multilabel_margin_loss", "multi_margin_loss", "ctc_loss"}


def moving(name: str, args: tuple, dtype: torch.dtype) -> list:
    """The arguments in `dtype`, with gradients where torch has them."""
    result = []
    for i, x in enumerate(args):
        if isinstance(x, torch.Tensor) and x.is_floating_point():
            x = x.detach().to(dtype)
            x.requires_grad_(FIXED.get(name) != i)
        elif isinstance(x, torch.Tensor) and x.is_complex():
            x = x.detach().requires_grad_()
        result.append(x)
    return result


def cast(kwargs: dict, dtype: torch.dtype) -> dict:
    return {k: x.to(dtype) if isinstance(x, torch.Tensor) else x for k, x in kwargs.items()}


@pytest.mark.parametrize("name, args, kwargs", ROWS, ids=lambda x: str(x)[:30])
def test_values_and_gradients(name, args, kwargs):
    dtype = torch.float64
    compare(
        getattr(ours, name), getattr(theirs, name), moving(name, args, dtype), cast(kwargs, dtype)
    )


@pytest.mark.parametrize("name", sorted({row[0] for row in ROWS}))
def test_other_types(name):
    """Float32 with gradients, and bfloat16 values, on the first row of each loss."""
    args, kwargs = next((row[1], row[2]) for row in ROWS if row[0] == name)
    run = getattr(ours, name), getattr(theirs, name)
    compare(*run, moving(name, args, torch.float32), kwargs)
    if name not in NO_HALVES:
        factor = 4.0 if name in ROUNDED else 1.0
        args = moving(name, args, torch.bfloat16)
        compare(*run, args, cast(kwargs, torch.bfloat16), gradient=False, factor=factor)


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("name", sorted({row[0] for row in ROWS} - NOT_REDUCED))
def test_reductions(name, reduction):
    args, kwargs = next((row[1], row[2]) for row in ROWS if row[0] == name)
    args, kwargs = moving(name, args, torch.float64), cast(kwargs, torch.float64)
    compare(getattr(ours, name), getattr(theirs, name), args, {**kwargs, "reduction": reduction})


def test_unbatched_target_of_one_element():
    """torch takes it, and then has no gradient for it."""
    args = X[0], torch.tensor([3])
    compare(ours.nll_loss, theirs.nll_loss, args)
    compare(ours.cross_entropy, theirs.cross_entropy, args)


def test_result_types_follow_torch():
    """Where input and target differ in type, each loss has a rule of its own."""
    names = ["l1_loss", "mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "kl_div"]
    names += ["hinge_embedding_loss", "poisson_nll_loss", "binary_cross_entropy_with_logits"]
    for name in names:
        for pair in ((P, Q.double()), (P.double(), Q), (P, Q.half()), (P.half(), Q)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = getattr(theirs, name)(*pair).dtype
                assert str(getattr(ours, name)(*to_ours(pair)).dtype) == str(expected), (name, pair)


def test_certain_probabilities():
    """Losses stop at 100, slopes at 1e12; the target's, infinite in torch, are finite."""
    certain, target = torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    certain.requires_grad_()
    run = ours.binary_cross_entropy, theirs.binary_cross_entropy
    compare(*run, (certain, target), {"reduction": "none"})
    compare(*run, (certain, target), {"reduction": "sum"})
    slope = jax.grad(lambda t: ours.binary_cross_entropy(jnp.asarray([0.0, 1.0]), t))(jnp.ones(2))
    np.testing.assert_allclose(slope, [50.0, -50.0])


LONG = CLASSES
# name, arguments, keyword arguments: torch's error and warnings, type and text
ERRORS = [
    ("l1_loss", (X, Y[:, :3]), {}),
    ("l1_loss", (LISTS, LISTS), {}),
    ("l1_loss", (X, Y), {"weight": P[0]}),
    ("mse_loss", (X, Y), {"reduction": "foo"}),
    ("mse_loss", (LISTS, LISTS), {}),
    ("smooth_l1_loss", (X, Y), {"beta": -1.0}),
    ("huber_loss", (X, Y), {"delta": 0.0}),
    ("binary_cross_entropy", (P, Q[0]), {}),
    ("binary_cross_entropy", (P * 3, Q), {}),
    ("binary_cross_entropy", (P, Q * 3), {}),
    ("binary_cross_entropy", (P, LISTS), {}),
    ("binary_cross_entropy", (P, Q.double()), {}),
    ("binary_cross_entropy_with_logits", (X, Q[0]), {}),
    ("binary_cross_entropy_with_logits", (X, Q), {"weight": torch.ones(2, 4, 5)}),
    ("kl_div", (LISTS, LISTS), {"reduction": "sum"}),
    ("kl_div", (X, Q), {"reduction": "foo"}),
    ("gaussian_nll_loss", (X, Y, torch.ones(3)), {}),
    ("gaussian_nll_loss", (X, Y, -P), {}),
    ("gaussian_nll_loss", (X, Y, -1.0), {}),
    ("gaussian_nll_loss", (X, Y, P), {"reduction": "foo"}),
    ("soft_margin_loss", (LISTS, LISTS), {}),
    ("hinge_embedding_loss", (LISTS, LISTS), {}),
    ("margin_ranking_loss", (X, X[0], SIGNS), {}),
    ("margin_ranking_loss", (X, X, SIGNS), {}),
    ("cosine_embedding_loss", (X, Y, torch.ones(3)), {}),
    ("cosine_embedding_loss", (X, Y, torch.ones(4, 1)), {}),
    ("cosine_embedding_loss", (X, Y, torch.tensor(1.0)), {}),
    ("cosine_embedding_loss", (X[0], Y[0], torch.ones(1)), {}),
    ("triplet_margin_loss", (X, Y, P), {"margin": -1}),
    ("triplet_margin_loss", (X, Y, P[0]), {}),
    ("triplet_margin_with_distance_loss", (X, Y, P[0]), {}),
    ("triplet_margin_with_distance_loss", (X, Y, P), {"reduction": "foo"}),
    ("nll_loss", (torch.tensor(1.0), LONG), {}),
    ("nll_loss", (X, LONG[:2]), {}),
    ("nll_loss", (X, LONG + 1), {}),
    ("nll_loss", (X, LONG - 1), {}),
    ("nll_loss", (X, LONG.short()), {}),
    ("nll_loss", (X, LONG), {"weight": WEIGHT[:2]}),
    ("nll_loss", (X, LONG), {"weight": WEIGHT.double()}),
    ("nll_loss", (X, LISTS), {}),
    ("nll_loss", (X[0], LONG), {}),
    ("nll_loss", (IMAGE, IMAGE_CLASSES[:, 0]), {}),
    ("nll_loss", (IMAGE, IMAGE_CLASSES[:, :1]), {}),
    ("nll_loss", (torch.randn(2, 3, 4), torch.zeros(2, 5).long()), {}),
    ("cross_entropy", (torch.tensor(1.0), LONG), {}),
    ("cross_entropy", (X, LONG + 1), {}),
    ("cross_entropy", (X, LONG), {"label_smoothing": 1.5}),
    ("cross_entropy", (X, LISTS), {}),
    ("cross_entropy", (X, Q), {"ignore_index": 1}),
    ("cross_entropy", (X, Q), {"weight": WEIGHT[:2]}),
    ("cross_entropy", (X.long(), LONG), {}),
    ("cross_entropy", (X, LONG.float()), {}),
    ("multi_margin_loss", (X, LONG), {"p": 3}),
    ("multi_margin_loss", (X, LONG + 1), {}),
    ("multi_margin_loss", (X, LONG[:2]), {}),
    ("multi_margin_loss", (X, LONG.float()), {}),
    ("multi_margin_loss", (X, LONG), {"weight": WEIGHT[:2]}),
    ("multi_margin_loss", (X, LONG), {"weight": P}),
    ("multi_margin_loss", (IMAGE, LONG), {}),
    ("multilabel_margin_loss", (X, LISTS[:2]), {}),
    ("multilabel_margin_loss", (X, LISTS + 1), {}),
    ("multilabel_margin_loss", (X, LISTS.float()), {}),
    ("multilabel_soft_margin_loss", (X, Q), {"reduction": "foo"}),
    ("multilabel_soft_margin_loss", (LISTS, LISTS), {}),
    ("multilabel_soft_margin_loss", (torch.tensor(1.0), torch.tensor(1.0)), {}),
    ("ctc_loss", (torch.randn(5, 2, 4), LISTS[:2, :2], (5, 6), (1, 1)), {}),
    ("ctc_loss", (torch.randn(5, 2, 4), LISTS[:2, :2], (5, 5), (1, 3)), {}),
    ("ctc_loss", (torch.randn(5, 2, 4), LISTS[:2, :2], (5,), (1, 1)), {}),
    ("ctc_loss", (torch.randn(5, 2, 4), LISTS[:2, :2], (5, 5), (1, 1)), {"blank": 4}),
    ("ctc_loss", (torch.randn(5, 2, 4), LONG[:3], (5, 5), (2, 2)), {}),
    ("cosine_similarity", (LISTS, LISTS), {}),
    ("cosine_similarity", (X, Y), {"dim": 5}),
    ("pairwise_distance", (X, Y[:3]), {}),
    ("pdist", (X[0],), {}),
]


@pytest.mark.parametrize("name, args, kwargs", ERRORS, ids=lambda x: str(x)[:30])
def test_errors(name, args, kwargs):
    same_outcome(getattr(ours, name), getattr(theirs, name), args, kwargs)


LEGACY = [{"size_average": False}, {"reduce": False}, {"size_average": True}]
LEGACY += [{"size_average": False, "reduce": True}, {"reduction": "elementwise_mean"}]


@pytest.mark.parametrize("kwargs", LEGACY, ids=str)
def test_legacy_arguments(kwargs):
    pattern = "elementwise_mean" if "reduction" in kwargs else "size_average and reduce args"
    with pytest.warns(UserWarning, match=pattern) as caught:
        got = ours.mse_loss(*to_ours((X, Y)), **kwargs)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match=str(caught[0].message)):
        assert_close(got, theirs.mse_loss(X, Y, **kwargs))


@pytest.mark.parametrize("kwargs", LEGACY[:4], ids=str)
@pytest.mark.parametrize("name", ["L1Loss", "BCELoss", "CrossEntropyLoss", "TripletMarginLoss"])
def test_legacy_arguments_of_layers(name, kwargs):
    with pytest.warns(UserWarning, match="size_average and reduce args"):
        layer = getattr(torchcompat.nn, name)(**kwargs)
    with pytest.warns(UserWarning):
        assert layer.reduction == getattr(torch.nn, name)(**kwargs).reduction


def test_size_warnings():
    for library, x, y in ((torch, X, Y[0]), (torchcompat, *to_ours((X, Y[0])))):
        with pytest.warns(
            UserWarning, match=r"Using a target size \(torch.Size\(\[5\]\)\) that is"
        ):
            library.nn.functional.huber_loss(x, y)
        with pytest.warns(UserWarning, match="'mean' divides the total loss by both"):
            library.nn.functional.kl_div(x, x)


def test_traced_bad_classes_are_nan():
    """Under tracing no value can be checked: a class that does not exist gives NaN."""
    x = jnp.asarray(X.numpy())
    for name in ("cross_entropy", "nll_loss", "multi_margin_loss"):
        run = jax.jit(functools.partial(getattr(ours, name), reduction="none"))
        with jax.enable_x64(True):
            got = np.asarray(run(x, jnp.asarray([0, 5, -1, 2])))
        np.testing.assert_array_equal(np.isnan(got), [False, True, True, False])


def test_losses_under_jit_and_grad():
    """int32 labels are taken besides torch's int64: JAX's default has no others."""
    x, classes = jnp.asarray(X.numpy()), jnp.asarray(CLASSES.numpy())
    assert classes.dtype == np.int32
    slope = jax.jit(jax.grad(lambda x: ours.cross_entropy(x, classes)))(x)
    leaf = X.clone().requires_grad_()
    theirs.cross_entropy(leaf, CLASSES).backward()
    assert_close(slope, leaf.grad)


LAYER_ROWS = [
    ("BCELoss", {"weight": P}, (P, Q)),
    (
        "CrossEntropyLoss",
        {"weight": WEIGHT, "ignore_index": 2, "label_smoothing": 0.1},
        (X, CLASSES),
    ),
    ("TripletMarginLoss", {"p": 1.0, "swap": True, "reduction": "none"}, (X, Y, P)),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0, "swap": True}, (X, Y, P)),
    (
        "TripletMarginWithDistanceLoss",
        {"distance_function": lambda a, b: (a - b).abs().sum(1)},
        (X, Y, P),
    ),
    (
        "LinearCrossEntropyLoss",
        {"in_features": 5, "num_classes": 3, "bias": True},
        (X, CLASSES % 3),
    ),
]


@pytest.mark.parametrize("name, kwargs, call", LAYER_ROWS, ids=lambda x: str(x)[:30])
def test_layers(name, kwargs, call):
    torch.manual_seed(0), torchcompat.manual_seed(0)
    other, mine = (
        getattr(torch.nn, name)(**kwargs),
        getattr(torchcompat.nn, name)(**to_ours(kwargs)),
    )
    assert repr(mine) == repr(other)
    assert list(mine.state_dict()) == list(other.state_dict())
    assert_close(mine(*to_ours(call)), other(*call), name)


def test_old_name_of_nll_loss():
    for library in (torch, torchcompat):
        with pytest.warns(FutureWarning, match="`NLLLoss2d` has been deprecated"):
            layer = library.nn.NLLLoss2d(ignore_index=1)
        assert isinstance(layer, library.nn.NLLLoss) and layer.ignore_index == 1


LAYER_ERRORS = [
    (ValueError, "only p == 1 and p == 2", lambda nn: nn.MultiMarginLoss(p=3)),
    (ValueError, "TripletMarginLoss: expected margin", lambda nn: nn.TripletMarginLoss(margin=0)),
    (
        ValueError,
        "TripletMarginWithDistanceLoss: expected margin",
        lambda nn: nn.TripletMarginWithDistanceLoss(margin=-1),
    ),
    (
        RuntimeError,
        r"expected label_smoothing to be in range \[0, 1\], got 2",
        lambda nn: nn.LinearCrossEntropyLoss(3, 2, label_smoothing=2),
    ),
    (
        ValueError,
        "invalid acc_policy: 'best'",
        lambda nn: nn.LinearCrossEntropyOptions(acc_policy="best"),
    ),
    (
        ValueError,
        "invalid chunking_method: 'aspect_ratio:0'",
        lambda nn: nn.LinearCrossEntropyOptions(chunking_method="aspect_ratio:0"),
    ),
]


@pytest.mark.parametrize("kind, text, make", LAYER_ERRORS, ids=range(len(LAYER_ERRORS)))
def test_layer_errors(kind, text, make):
    for library in (torch, torchcompat):
        with pytest.raises(kind, match=text):
            make(library.nn)
