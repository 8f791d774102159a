"""Evaluation of torchvision's models, compiled, against torch eager.

Prints ratios of times measured in turn in one run (below 1: torchcompat is faster).

    python benchmarks/inference.py [--repeats N] [--only MODEL]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import types
from typing import Any

import jax
import torch

import converters
import torchcompat

sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))

# Model and batch size, at 224x224.
CASES = (
    ("resnet18", 1),
    ("resnet50", 1),
    ("resnet50", 8),
    ("mobilenet_v3_large", 1),
    ("densenet121", 1),
    ("convnext_tiny", 1),
    ("vit_b_16", 1),
)


def measured(name: str, batch: int, repeats: int) -> tuple[float, float]:
    """Median seconds of a call: ours and torch's."""
    from torchcompat.ported.torchvision import models as ported
    from torchvision import models as native

    theirs, own = getattr(native, name)().eval(), getattr(ported, name)().eval()
    own.load_state_dict(converters.from_torch(theirs.state_dict()))
    x = torch.rand(batch, 3, 224, 224)
    fast, given = torchcompat.compile(own), torchcompat.tensor(x.numpy())
    calls: tuple[Any, Any] = (
        lambda: jax.block_until_ready(fast(given)._read()),
        lambda: theirs(x),
    )
    times: tuple[list, list] = ([], [])
    with torch.no_grad(), torchcompat.no_grad():
        for call in calls:
            call()
        for _ in range(repeats):
            for call, taken in zip(calls, times):
                call()  # the other library's threads go to sleep meanwhile
                start = time.perf_counter()
                call()
                taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", choices=sorted({name for name, _ in CASES}))
    options = parser.parse_args()
    for name, batch in CASES:
        if options.only in (None, name):
            ours, theirs = measured(name, batch, options.repeats)
            print(
                f"{name:20} batch {batch}  {ours / theirs:5.2f}  {ours:.3g} s against {theirs:.3g} s"
            )


if __name__ == "__main__":
    main()
