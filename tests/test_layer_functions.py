"""`torch.f` for functions of layers, which take torch's own order of arguments and reductions as numbers."""

import warnings

import pytest
import torch

import torchcompat
from tests._parity import assert_close, to_ours

_R = torch.Generator().manual_seed(3)


def _x(*shape):
    return torch.randn(shape, generator=_R)


_image, _line, _pair = _x(2, 4, 5, 5), _x(2, 4, 7), (_x(3, 4), _x(3, 4))
_signs = torch.tensor([1.0, -1.0, 1.0])
_mean, _var = _x(4), _x(4).square() + 0.5
_logs = _x(6, 2, 5).log_softmax(-1)
_targets, _six, _two = torch.tensor([[1, 2], [3, 1]]), torch.tensor([6, 6]), torch.tensor([2, 1])
_table, _bags = _x(6, 3), (torch.tensor([0, 2, 5, 2]), torch.tensor([0, 2]))
# name -> the arguments of its calls
CALLS = {
    "conv1d": [(_line, _x(6, 2, 3), None, 2, 1, 1, 2)],
    "conv2d": [(_image, _x(3, 4, 3, 3), _x(3), (2, 1), "valid")],
    "conv_transpose2d": [(_image, _x(4, 2, 3, 3), None, 2, 1, 1, 1, 1)],
    "convolution": [
        (_image, _x(3, 4, 3, 3), _x(3), [2, 1], [1, 0], [1, 1], False, [0, 0], 1),
        (_image, _x(4, 2, 3, 3), None, [2], [1], [1], True, [1], 1),
        (_line, _x(6, 2, 3), None, [2], [1], [1], False, [0], 2),
    ],
    "batch_norm": [
        (_image, _mean, _var, _mean, _var, False, 0.1, 1e-5, True),
        (_image, None, None, None, None, True, 0.1, 1e-5, False),
    ],
    "instance_norm": [(_image, _mean, _var, None, None, True, 0.1, 1e-5, False)],
    "layer_norm": [(_image, (5, 5), None, None, 1e-5, False), (_image, (5,))],
    "group_norm": [(_image, 2, _mean, _var, 1e-3, False)],
    "rms_norm": [(_image, (5,), _x(5), 1e-3)],
    "embedding": [(_table, _bags[0]), (_table, _bags[0], 2, True, False)],
    "embedding_bag": [
        (_table, *_bags),
        (_table, *_bags, False, 1),
        (_table, *_bags, False, 2),
        (_table, *_bags, False, 0, False, _x(4)),
        (_table, _bags[0], torch.tensor([0, 2, 4]), False, 1, False, None, True),
        (_table, *_bags, False, 0, False, None, False, 2),
    ],
    "embedding_renorm_": [(_table, _bags[0], 0.5, 2.0)],
    "dropout": [(_image, 0.5, False), (_image, 0.0, True)],
    "alpha_dropout": [(_image, 0.5, False)],
    "feature_dropout": [(_image, 0.5, False)],
    "feature_alpha_dropout": [(_image, 0.5, False)],
    "rrelu": [(_image,), (_image, 0.1, 0.3, False)],
    "rrelu_": [(_x(3),)],
    "dropout_": [(_x(3), 0.5, False)],
    "alpha_dropout_": [(_x(3), 0.5, False)],
    "feature_dropout_": [(_x(3, 2), 0.5, False)],
    "feature_alpha_dropout_": [(_x(3, 2), 0.5, False)],
    "max_pool1d": [(_line, 2)],
    "max_pool1d_with_indices": [(_line, 2, 1, 1)],
    "max_pool2d": [(_image, 2, 1)],
    "max_pool3d": [(_x(1, 2, 4, 4, 4), 2)],
    "avg_pool1d": [(_line, 3, 2, 1, True, False)],
    "adaptive_avg_pool1d": [(_line, 3)],
    "adaptive_max_pool1d": [(_line, 3)],
    "pixel_shuffle": [(_image, 2)],
    "pixel_unshuffle": [(_x(1, 2, 4, 4), 2)],
    "channel_shuffle": [(_image, 2)],
    "native_channel_shuffle": [(_image, 2)],
    "pairwise_distance": [_pair, (*_pair, 1.0, 1e-3, True)],
    "cosine_similarity": [_pair, (*_pair, 0, 1e-3)],
    "pdist": [(_pair[0],)],
    "bilinear": [(*_pair, _x(2, 4, 4), _x(2))],
    "ctc_loss": [
        (_logs, _targets, _six, _two),
        (_logs, _targets, _six, _two, 0, 2, True),
        (_logs, _targets, _six, _two, 0, 0),
        (_logs, _targets[:, 0], _six, torch.tensor([1, 1]), 0, 1),
    ],
    "hinge_embedding_loss": [(_pair[0][:, 0], _signs, 0.5, 0), (_pair[0][:, 0], _signs)],
    "margin_ranking_loss": [(_pair[0][:, 0], _pair[1][:, 0], _signs, 0.5, 2)],
    "cosine_embedding_loss": [(*_pair, _signs, 0.1, 1)],
    "triplet_margin_loss": [(*_pair, _pair[0].flip(0), 1.0, 2.0, 1e-6, False, 0)],
    "kl_div": [(*_pair, 0), (*_pair, 2), (*_pair,)],
    "poisson_nll_loss": [(_pair[0], _pair[1].exp(), True, False, 1e-8, 2)],
    "binary_cross_entropy_with_logits": [(_pair[0], _pair[1].sigmoid(), None, None, 0)],
    "prelu": [(_image, _x(4))],
    "celu": [(_image, 0.5)],
    "selu": [(_image,)],
    "relu_": [(_x(3),)],
    "threshold": [(_image, 0.1, 2.0)],
    "hardshrink": [(_image, 0.3)],
    "grid_sampler": [(_image, _x(2, 3, 3, 2), 0, 1, True)],
    "affine_grid_generator": [(_x(2, 2, 3), (2, 3, 4, 5), False)],
    "conv_tbc": [(_x(6, 2, 3), _x(3, 3, 4), _x(4), 1)],
    "lstm_cell": [(_x(2, 3), (_x(2, 4), _x(2, 4)), _x(16, 3), _x(16, 4))],
    "gru_cell": [(_x(2, 3), _x(2, 4), _x(12, 3), _x(12, 4))],
    "rnn_tanh_cell": [(_x(2, 3), _x(2, 4), _x(4, 3), _x(4, 4))],
}


@pytest.mark.parametrize("name", CALLS)
def test_functions_of_layers(name):
    for number, arguments in enumerate(CALLS[name]):
        own = to_ours(arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = tuple(a.clone() if isinstance(a, torch.Tensor) else a for a in arguments)
            expected = getattr(torch, name)(*held)
            found = getattr(torchcompat, name)(*own)
        if name.endswith("_"):
            assert found is own[0]
        expected = expected if isinstance(expected, tuple) else (expected,)
        found = found if isinstance(found, tuple) else (found,)
        assert len(found) == len(expected)
        for mine, other in zip(found, expected):
            assert_close(mine, other, f"{name} {number}")
