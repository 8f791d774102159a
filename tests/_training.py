"""A small convolutional network with BatchNorm, trained alike by torch and by torchcompat."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import torchcompat
from converters import from_torch

STEPS = 20
TOLERANCE = 1e-4

# optimizer -> its options in the training test
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3},
    "Adam": {"lr": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.01},
    "Adamax": {"lr": 0.01},
    "NAdam": {"lr": 0.01},
    "RAdam": {"lr": 0.01},
    "Adagrad": {"lr": 0.05, "lr_decay": 0.01},
    "Adadelta": {"lr": 1.0},
    "RMSprop": {"lr": 0.005, "momentum": 0.5, "centered": True},
    "Rprop": {"lr": 0.001},
    "ASGD": {"lr": 0.05, "t0": 5},
    "Adafactor": {"lr": 0.02},
    "Muon": {"lr": 0.01},
    "LBFGS": {"lr": 0.1, "max_iter": 2, "line_search_fn": "strong_wolfe"},
}
# optimizer -> why it runs in float64: its curve is not continuous in the last digits
WIDE = {"LBFGS": "a line search takes another way when a comparison turns out otherwise"}
# optimizer -> why its step is no one program
IN_PARTS = {"LBFGS": "what it does next depends on values"}


def network(library: Any) -> Any:
    """The network, its weights not set."""
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def initial() -> dict[str, Any]:
    """The weights that every run starts from: torch's state dict."""
    torch.manual_seed(0)
    return {name: value.clone() for name, value in network(torch).state_dict().items()}


def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """As many batches as there are steps."""
    rng = np.random.RandomState(1)
    labels = [rng.randint(0, 3, 6) for _ in range(STEPS)]
    return [
        ((rng.randn(6, 1, 6, 6) + y[:, None, None, None]).astype(np.float32), y) for y in labels
    ]


class Run:
    """One training run.

    Attributes:
        losses: of all steps so far.
        traces: how often the step function has been run or traced.
    """

    def __init__(
        self, library: Any, name: str, compiled: bool = False, scheduler: Callable | None = None
    ) -> None:
        self.library, self.name = library, name
        self.model = network(library)
        start = initial()
        self.model.load_state_dict(start if library is torch else from_torch(start))
        if name in WIDE:
            self.model.double()
        params = [p for p in self.model.parameters() if name != "Muon" or p.ndim == 2]
        self.optimizer = getattr(library.optim, name)(params, **OPTIMIZERS[name])
        self.scheduler = None if scheduler is None else scheduler(library, self.optimizer)
        self.losses: list[float] = []
        self.traces = 0
        self.step = torchcompat.compile(self._step) if compiled else self._step

    def _step(self, x: Any, y: Any) -> Any:
        self.traces += 1

        def closure() -> Any:
            self.optimizer.zero_grad()
            loss = self.library.nn.functional.cross_entropy(self.model(x), y)
            loss.backward()
            return loss

        if self.name == "LBFGS":
            return self.optimizer.step(closure).detach()
        loss = closure()
        self.optimizer.step()
        return loss.detach()

    def train(self, first: int, last: int) -> Run:
        """Runs steps `first` to `last`."""
        for x, y in batches()[first:last]:
            x = x.astype(np.float64) if self.name in WIDE else x
            loss = float(self.step(self.library.tensor(x), self.library.tensor(y)))
            self.losses.append(loss)
            if self.scheduler is not None:
                plateau = type(self.scheduler).__name__ == "ReduceLROnPlateau"
                self.scheduler.step(loss) if plateau else self.scheduler.step()
        return self

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint has."""
        held = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        if self.scheduler is not None:
            held["scheduler"] = self.scheduler.state_dict()
        return held

    def saved(self) -> io.BytesIO:
        """A checkpoint file."""
        file = io.BytesIO()
        self.library.save(self.state(), file)
        file.seek(0)
        return file

    def resume(self, file: io.BytesIO) -> Run:
        """Takes up a checkpoint, whichever library wrote it."""
        held = self.library.load(file, weights_only=True)
        self.model.load_state_dict(held["model"])
        self.optimizer.load_state_dict(held["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(held["scheduler"])
        return self


def numbers(x: Any) -> np.ndarray:
    """A tensor of either library as float64, or complex128."""
    if x.is_complex():
        return np.asarray(
            x.detach().to((torch if isinstance(x, torch.Tensor) else torchcompat).complex128)
        )
    return np.asarray(x.detach().double())


def check_same(ours: Any, theirs: Any, tolerance: float = TOLERANCE, path: str = "") -> None:
    """Asserts the same structure, keys in order, shapes and dtypes, and values within `tolerance`."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, torchcompat.Tensor), path
        assert (str(ours.dtype), tuple(ours.shape)) == (str(theirs.dtype), tuple(theirs.shape)), (
            path
        )
        a, b = numbers(ours), numbers(theirs)
        assert np.abs(a - b).max(initial=0) <= tolerance * np.abs(b).max(initial=1e-6), path
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), path
        for key, value in theirs.items():
            check_same(ours[key], value, tolerance, f"{path}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs) and len(ours) == len(theirs), path
        for i, value in enumerate(theirs):
            check_same(ours[i], value, tolerance, f"{path}[{i}]")
    elif isinstance(theirs, float) and not isinstance(ours, torchcompat.Tensor):
        assert ours == theirs or abs(ours - theirs) <= tolerance * max(abs(theirs), 1e-6), path
    else:
        assert ours == theirs, path
