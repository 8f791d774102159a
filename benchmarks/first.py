"""The first benchmark: four ratios, each measured in one run on this machine.

    python benchmarks/first.py

Each line gives a ratio, the goal it is held against and the two times. Lower is better.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import jax
import numpy as np
from jax import numpy as jnp

import torchcompat
from torchcompat import nn


def seconds(call: Callable, repeats: int) -> float:
    """Median time of one call, after one call to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return median(times)


def alternate(ours: Callable, theirs: Callable, repeats: int, rounds: int = 5) -> tuple:
    """Median times of two calls, measured in turns so that a busy machine slows both."""
    pairs = [(seconds(ours, repeats), seconds(theirs, repeats)) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


def compiled_call() -> tuple[float, float]:
    """53 Linear+BatchNorm pairs in evaluation mode, against `jax.jit` on a flat list of arrays."""
    pairs = 53
    layers = [layer for _ in range(pairs) for layer in (nn.Linear(8, 8), nn.BatchNorm1d(8))]
    model = torchcompat.compile(nn.Sequential(*layers).eval())
    arrays = [jnp.asarray(np.asarray(t)) for t in model.state_dict().values() if t.ndim]

    @jax.jit
    def flat(state: list, x: jax.Array) -> jax.Array:
        rest = iter(state)
        for _ in range(pairs):
            weight, bias, scale, shift, mean, var = (next(rest) for _ in range(6))
            x = x @ weight.T + bias
            x = (x - mean) / jnp.sqrt(var + 1e-5) * scale + shift
        return x

    x = jnp.ones((2, 8))
    return alternate(
        lambda: model(x).block_until_ready(), lambda: flat(arrays, x).block_until_ready(), 200
    )


def load_checkpoint(folder: Path) -> tuple[float, float]:
    """`load` of an 800 MB checkpoint, against `torch.load` of the same file."""
    import torch

    path = folder / "large.pth"
    torch.save({f"layer.{i}": torch.randn(1000, 2000) for i in range(100)}, path)
    return alternate(lambda: torchcompat.load(path), lambda: torch.load(path), 3, rounds=3)


def import_time() -> tuple[float, float]:
    """`import torchcompat`, against `import flax.nnx`, each in fresh processes."""

    # Bytecode is kept, as for installed packages: the first rounds fill the cache.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run(statement: str) -> float:
        program = (
            f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=env)
        return float(done.stdout)

    pairs = [(run("import torchcompat"), run("import flax.nnx")) for _ in range(9)]
    return median(a for a, _ in pairs[2:]), median(b for _, b in pairs[2:])


def eager_relu() -> tuple[float, float]:
    """Eager `relu` of a Tensor with 4 elements, against `jnp.maximum(x, 0)`."""
    array = jnp.ones(4) - 2
    tensor = torchcompat.as_tensor(array)
    return alternate(lambda: torchcompat.relu(tensor), lambda: jnp.maximum(array, 0), 2000)


def report(title: str, goal: float, times: tuple[float, float]) -> None:
    ours, theirs = times
    print(f"{title:40} {ours / theirs:5.2f}  (goal <= {goal})  {ours:.3g} s against {theirs:.3g} s")


def main() -> None:
    report("compiled call / jax.jit on arrays", 1.25, compiled_call())
    with tempfile.TemporaryDirectory() as folder:
        report("load 800 MB / torch.load", 0.5, load_checkpoint(Path(folder)))
    report("import torchcompat / import flax.nnx", 1.35, import_time())
    report("eager relu / jnp.maximum", 2.0, eager_relu())


if __name__ == "__main__":
    main()
