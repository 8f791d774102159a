"""Rows for the classes of `torch.nn` that `module_db` leaves out, in its form."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.testing._internal.common_modules import FunctionInput, ModuleInput

_RANDOM = torch.Generator().manual_seed(7)


def _x(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=_RANDOM)


_ids = torch.tensor([[0, 2, 1], [3, 1, 1]])
_flat_ids, _offsets = torch.tensor([0, 2, 1, 3, 1]), torch.tensor([0, 2, 2])
_classes = torch.tensor([0, 9, 4, 2, 6])
_square, _cube = torch.rand((2, 3, 4, 4), generator=_RANDOM), _x(2, 3, 4, 4, 4)
_triplet = (_x(4, 5), _x(4, 5), _x(4, 5))

# class -> its rows: constructor arguments, keyword arguments, arguments of the call
_Row = tuple[tuple, dict[str, Any], tuple | None]
EXTRA: dict[str, list[_Row]] = {
    "AdaptiveLogSoftmaxWithLoss": [
        ((6, 10, [3, 6]), {"div_value": 2.0}, (_x(5, 6), _classes)),
        ((6, 10, [4]), {"head_bias": True}, (_x(6), torch.tensor(7))),
    ],
    "ChannelShuffle": [((2,), {}, (_x(1, 4, 2, 2),)), ((3,), {}, (_x(2, 6, 3),))],
    "CosineSimilarity": [
        ((), {}, (_x(3, 4), _x(3, 4))),
        ((), {"dim": 0, "eps": 1e-2}, (_x(3, 4), _x(3, 4))),
    ],
    "CrossMapLRN2d": [((3,), {}, (_square,)), ((2, 0.1, 0.5, 2), {}, (_square,))],
    "EmbeddingBag": [
        ((4, 3), {}, (_ids,)),
        ((4, 3), {"mode": "max"}, (_ids,)),
        ((4, 3), {"mode": "sum", "padding_idx": 1}, (_flat_ids, _offsets, _x(5))),
    ],
    "Flatten": [((), {}, (_square,)), ((0, 2), {}, (_square,))],
    "Fold": [(((4, 5), (2, 2)), {}, (_x(1, 8, 12),)), ((6, 2), {"stride": 2}, (_x(4, 9),))],
    "Hardsigmoid": [((), {}, (_x(3, 4) * 4,)), ((), {"inplace": False}, (_x(),))],
    "Identity": [((), {}, (_x(3, 4),)), ((54,), {"unused": 1}, (_x(3, 4),))],
    "LazyLinear": [((4,), {}, (_x(2, 3),)), ((4,), {"bias": False}, (_x(2, 2, 3),))],
    "MaxUnpool1d": [((2,), {}, (_x(1, 1, 3), torch.tensor([[[0, 3, 4]]])))],
    "MaxUnpool2d": [((2,), {}, (_x(1, 1, 2, 1), torch.tensor([[[[1], [5]]]])))],
    "MaxUnpool3d": [((2,), {}, (_x(1, 1, 1, 1, 2), torch.tensor([[[[[1, 11]]]]])))],
    "NLLLoss2d": [
        ((), {}, (_x(2, 3, 2, 2), torch.tensor([[[0, 1], [2, 1]], [[1, 1], [0, 2]]]))),
        ((), {"reduction": "none"}, (_x(1, 3, 1, 2), torch.tensor([[[2, 0]]]))),
    ],
    "PairwiseDistance": [
        ((), {}, (_x(3, 4), _x(3, 4))),
        ((1.0,), {"keepdim": True}, (_x(3, 4), _x(4))),
    ],
    "PixelShuffle": [((2,), {}, (_x(1, 8, 2, 3),))],
    "PixelUnshuffle": [((2,), {}, (_x(1, 2, 4, 6),))],
    "Sequential": [
        ((nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), {}, (_x(2, 3),)),
        ((), {}, (_x(2),)),
    ],
    "SyncBatchNorm": [((3,), {}, (_square,)), ((3,), {"affine": False}, (_x(4, 3),))],
    "TransformerDecoder": [
        (
            (nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, batch_first=True), 2),
            {},
            (_x(2, 3, 4), _x(2, 5, 4)),
        )
    ],
    "TripletMarginLoss": [((), {}, _triplet), ((), {"swap": True, "reduction": "none"}, _triplet)],
    "TripletMarginWithDistanceLoss": [
        ((), {}, _triplet),
        ((), {"distance_function": nn.PairwiseDistance(1.0), "swap": True}, _triplet),
    ],
    "Unflatten": [((1, (2, 3)), {}, (_x(2, 6),))],
    "Unfold": [(((2, 3),), {}, (_square,)), ((2, 1, 1, 2), {}, (_square,))],
    "Upsample": [
        ((), {"scale_factor": 2.0}, (_square,)),
        ((), {"size": (5, 7), "mode": "bilinear", "align_corners": True}, (_square,)),
        ((), {"scale_factor": 1.5, "mode": "bicubic"}, (_square,)),
        ((), {"scale_factor": 2, "mode": "trilinear"}, (_cube,)),
        ((), {"size": 7, "mode": "linear"}, (_x(1, 2, 4),)),
    ],
    "UpsamplingBilinear2d": [((), {"scale_factor": 2}, (_square,)), (((5, 6),), {}, (_square,))],
    "UpsamplingNearest2d": [((), {"scale_factor": 2}, (_square,)), (((5, 6),), {}, (_square,))],
    # Their random numbers are torch's own, so they compare in training mode as well.
    **{
        name: [((), {}, (_square,)), ((), {"p": 0.3}, (_square,))]
        for name in ("AlphaDropout", "Dropout", "Dropout2d", "FeatureAlphaDropout")
    },
    "Dropout1d": [((0.3,), {}, (_x(2, 3, 4),))],
    "Dropout3d": [((0.3,), {}, (_cube,))],
    "RReLU": [((), {}, (_x(3, 4),)), ((0.2, 0.5), {}, (_x(3, 4),))],
    # Without a forward: construction, text, state and copies.
    "Container": [((), {"layer": nn.Linear(2, 3)}, None)],
    "Module": [((), {}, None)],
    "ModuleDict": [(({"first": nn.Linear(2, 3), "second": nn.PReLU()},), {}, None)],
    "ModuleList": [(([nn.Linear(2, 3), nn.PReLU()],), {}, None)],
    "ParameterDict": [
        (({"weight": nn.Parameter(_x(2, 3)), "bias": nn.Parameter(_x(3))},), {}, None)
    ],
    "ParameterList": [(([nn.Parameter(_x(2, 3)), nn.Parameter(_x(3))],), {}, None)],
    "RNNBase": [(("GRU", 3, 4), {"num_layers": 2, "bidirectional": True}, None)],
    "RNNCellBase": [((3, 4, True, 2), {}, None)],
}
for _n in (1, 2, 3):
    _input = _x(3, 2, *(4,) * _n)
    EXTRA[f"LazyBatchNorm{_n}d"] = [((), {}, (_input,)), ((), {"affine": False}, (_input,))]
    EXTRA[f"LazyInstanceNorm{_n}d"] = [
        ((), {"affine": True, "track_running_stats": True}, (_input,)),
        ((), {}, (_input,)),
    ]


def extra_inputs(name: str, dtype: torch.dtype) -> list[ModuleInput]:
    """The rows of a class, its floating-point tensors of a dtype."""
    found = []
    for args, kwargs, given in EXTRA[name]:
        call = None if given is None else FunctionInput(*(_cast(x, dtype) for x in given))
        found.append(ModuleInput(FunctionInput(*args, **kwargs), call))
    return found


def _cast(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return x.to(dtype) if x.is_floating_point() else x
