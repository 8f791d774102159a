"""Adaptive softmax: rare classes cost less."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from torchcompat._tensor import Tensor, ops
from torchcompat._tensor._choosing import where
from torchcompat.nn import functional as F
from torchcompat.nn._functional.loss import host_values
from torchcompat.nn.modules.container import ModuleList, Sequential
from torchcompat.nn.modules.linear import Linear
from torchcompat.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Softmax over many classes: frequent ones in the head, the others in narrower clusters.

    All clusters are computed for every row: which rows need which is not known when XLA compiles.

    Args:
        cutoffs: first class of each cluster, increasing; classes are sorted by frequency.
        div_value: each cluster is this much narrower than the one before.
        head_bias: whether the head has a bias.

    Shape:
        Input: `(N, in_features)` or `(in_features)`; target `(N)` or `()`.
        Output: the log-probability of each target, in its shape, and the mean of their negatives.

    Source: Grave et al., Efficient softmax approximation for GPUs, 2017.
    """

    in_features: int
    n_classes: int
    cutoffs: list[int]
    div_value: float
    head_bias: bool
    head: Linear
    tail: ModuleList

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        _check_cutoffs(cutoffs, n_classes)
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        place = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **place)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(self._clusters(), 1):
            width = int(in_features // div_value**i)
            narrow = Linear(in_features, width, bias=False, **place)
            self.tail.append(Sequential(narrow, Linear(width, high - low, bias=False, **place)))

    def _clusters(self) -> Iterator[tuple[int, int]]:
        """First class of each cluster, and the one after its last."""
        return zip(self.cutoffs, self.cutoffs[1:])

    def reset_parameters(self) -> None:
        """Initialises the head and all clusters anew."""
        self.head.reset_parameters()
        for narrow, out in self.tail:
            narrow.reset_parameters()
            out.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        self._check(input_, target_)
        batched = target_.ndim == 1
        x = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        head = F.log_softmax(self.head(x), dim=1)
        output = _pick(head, self._in_head(target))
        for (low, high), cluster in zip(self._clusters(), self.tail):
            index = (target - low).clamp(0, high - low - 1)
            found = _pick(F.log_softmax(cluster(x), dim=1), index)
            output = output + where((target >= low) & (target < high), found, 0)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _in_head(self, target: Tensor) -> Tensor:
        """Where in the head each target is: its own class, or that of its cluster."""
        index = target.clamp(max=self.shortlist_size)
        for low in self.cutoffs[1:-1]:
            index = index + (target >= low)
        return index

    def _check(self, input_: Tensor, target_: Tensor) -> None:
        rank = target_.ndim
        if rank > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if rank == 1 and input_.shape[0] != target_.shape[0]:
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input_.ndim != rank + 1:
            raise RuntimeError(
                f"{rank}D target tensor expects {rank + 1}D input tensors, but found inputs with "
                f"size {input_.shape}"
            )
        values = host_values(target_)
        if values is not None and (values.min() < 0 or values.max() >= self.n_classes):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{values.min()}, {values.max()}] were found. "
            )

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        """Log-probabilities of all classes, given the head's output."""
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail, self.shortlist_size):
            parts.append(F.log_softmax(cluster(input), dim=1) + head[:, i : i + 1])
        return ops.cat(parts, 1)

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities of all classes: `(N, n_classes)` for an input `(N, in_features)`."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row."""
        head = self.head(input)
        likeliest = head.argmax(1)
        among_all = self._get_full_log_prob(input, head).argmax(1)
        return where(likeliest >= self.shortlist_size, among_all, likeliest)


def _pick(log_probs: Tensor, index: Tensor) -> Tensor:
    """The entry of each row that `index` names."""
    return log_probs.gather(1, index.unsqueeze(1)).squeeze(1)


def _check_cutoffs(cutoffs: list, n_classes: int) -> None:
    if not cutoffs:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    increasing = all(a < b for a, b in zip(cutoffs, cutoffs[1:]))
    whole = all(int(c) == c for c in cutoffs)
    if not (increasing and whole and cutoffs[0] > 0 and cutoffs[-1] < n_classes):
        raise ValueError(
            "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
            "order, where each value is between 1 and n_classes-1"
        )
