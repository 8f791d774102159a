"""Training steps: a compiled step against torch eager, and eager backward against torch's.

Prints ratios of times measured in turn in one run (below 1: torchcompat is faster).

    python benchmarks/training.py [--repeats N] [--only resnet18|transformer]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import torch

import converters
import torchcompat


def transformer(lib: Any) -> Any:
    """A 4-layer Transformer encoder with a classifier on its mean."""
    nn = lib.nn
    layer = nn.TransformerEncoderLayer(256, 8, 1024, dropout=0.0, batch_first=True)

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
            self.head = nn.Linear(256, 10)

        def forward(self, x: Any) -> Any:
            return self.head(self.encoder(x).mean(1))

    return Classifier()


def resnet18(lib: Any) -> Any:
    """torchvision's resnet18: its own source under both libraries."""
    if lib is torch:
        import sys
        import types

        sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))
        from torchvision.models import resnet18 as make
    else:
        from torchcompat.ported.torchvision.models import resnet18 as make
    return make(num_classes=10)


CASES: dict[str, tuple[Callable, tuple[int, ...]]] = {
    "resnet18": (resnet18, (8, 3, 128, 128)),
    "transformer": (transformer, (8, 64, 256)),
}


def training_step(lib: Any, model: Any) -> Callable:
    """zero_grad, forward, loss, backward and a step of SGD with momentum."""
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_of = lib.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def backward_step(lib: Any, model: Any) -> Callable:
    """Forward, loss and backward."""
    loss_of = lib.nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> Any:
        model.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        return loss

    return step


def wait(model: Any) -> None:
    """Returns when what was started on the parameters and their gradients is done."""
    held = [x for p in model.parameters() for x in (p, p.grad) if x is not None]
    jax.block_until_ready([x._read() for x in held])


def ratio(ours: Callable, theirs: Callable, repeats: int) -> tuple[float, float, float]:
    """The ratio of median times of two calls made in turn, and both times in seconds."""
    times: tuple[list, list] = ([], [])
    for _ in range(repeats):
        for call, kept in zip((ours, theirs), times):
            start = time.perf_counter()
            call()
            kept.append(time.perf_counter() - start)
    a, b = map(statistics.median, times)
    return a / b, a, b


def measure(name: str, what: str, build: Callable, compiled: bool, repeats: int) -> None:
    """Prints one line: the same step of the same model under both libraries."""
    make, shape = CASES[name]
    x, y = torch.randn(shape), torch.randint(0, 10, shape[:1])
    own_x, own_y = converters.from_torch(x), converters.from_torch(y)
    native, ported = make(torch), make(torchcompat)
    ported.load_state_dict(converters.from_torch(native.state_dict()))
    theirs, own = build(torch, native), build(torchcompat, ported)
    if compiled:
        own = torchcompat.compile(own)

    def ours() -> None:
        loss = own(own_x, own_y)
        if compiled:  # results of one program are there together
            jax.block_until_ready(loss._read())
        else:
            wait(ported)

    for _ in range(3):
        ours()
        theirs(x, y)
    value, a, b = ratio(ours, lambda: theirs(x, y), repeats)
    print(f"{name}, {what}: {value:.2f} ({a * 1e3:.0f} ms against {b * 1e3:.0f} ms)")


def main() -> None:
    """Runs the cases and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    for name in CASES:
        if options.only in (None, name):
            measure(name, "compiled training step", training_step, True, options.repeats)
            measure(name, "eager forward and backward", backward_step, False, options.repeats)


if __name__ == "__main__":
    main()
