"""Memory of a compiled training step against the same step written by hand in JAX.

Both programs come from XLA with its own account of them (`memory_analysis`), which is exact and does not
hang on what else the process holds: a step's peak is its arguments (parameters, momenta, buffers, the
batch), what it computes in between, and its results, less what is written over donated arguments.
Prints the ratio of the peaks (below 1: torchcompat needs less).

    python benchmarks/memory.py [--only resnet18|transformer]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax import numpy as jnp
from training import CASES, training_step

import torchcompat

LR, MOMENTUM = 0.01, 0.9
Tree = Any


# -- by hand ------------------------------------------------------------------------------------------


def _conv(x: Any, weight: Any, stride: int, padding: int) -> Any:
    pads = [(padding, padding)] * 2
    names = ("NCHW", "OIHW", "NCHW")
    return lax.conv_general_dilated(x, weight, (stride, stride), pads, dimension_numbers=names)


def _batch_norm(x: Any, p: Tree, name: str, new: Tree) -> Any:
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    count = x.size // x.shape[1]
    new[f"{name}.running_mean"] = p[f"{name}.running_mean"] * 0.9 + mean * 0.1
    unbiased = var * (count / (count - 1))
    new[f"{name}.running_var"] = p[f"{name}.running_var"] * 0.9 + unbiased * 0.1
    scaled = (x - _spread(mean)) * _spread(lax.rsqrt(var + 1e-5))
    return scaled * _spread(p[f"{name}.weight"]) + _spread(p[f"{name}.bias"])


def _spread(by_channel: Any) -> Any:
    return by_channel[None, :, None, None]


def resnet18(p: Tree, x: Any, new: Tree) -> Any:
    """torchvision's resnet18 in training; `new` receives the running statistics."""
    x = jax.nn.relu(_batch_norm(_conv(x, p["conv1.weight"], 2, 3), p, "bn1", new))
    pads = ((0, 0), (0, 0), (1, 1), (1, 1))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), pads)
    for layer in range(1, 5):
        for block in range(2):
            name = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            out = _conv(x, p[f"{name}.conv1.weight"], stride, 1)
            out = jax.nn.relu(_batch_norm(out, p, f"{name}.bn1", new))
            out = _batch_norm(_conv(out, p[f"{name}.conv2.weight"], 1, 1), p, f"{name}.bn2", new)
            if f"{name}.downsample.0.weight" in p:
                x = _conv(x, p[f"{name}.downsample.0.weight"], stride, 0)
                x = _batch_norm(x, p, f"{name}.downsample.1", new)
            x = jax.nn.relu(out + x)
    return x.mean((2, 3)) @ p["fc.weight"].T + p["fc.bias"]


def _layer_norm(x: Any, p: Tree, name: str) -> Any:
    x = x - x.mean(-1, keepdims=True)
    scaled = x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5)
    return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]


def _linear(x: Any, p: Tree, name: str) -> Any:
    return x @ p[f"{name}weight"].T + p[f"{name}bias"]


def transformer(p: Tree, x: Any, new: Tree) -> Any:
    """The classifier of `training.py`: four encoder layers of 8 heads, and a layer on their mean."""
    for layer in range(4):
        name = f"encoder.layers.{layer}"
        heads = _linear(x, p, f"{name}.self_attn.in_proj_")
        n, length, width = x.shape
        q, k, v = heads.reshape(n, length, 3, 8, width // 8).transpose(2, 0, 3, 1, 4)
        scores = jax.nn.softmax(q @ k.swapaxes(-1, -2) / math.sqrt(width // 8))
        mixed = (scores @ v).swapaxes(1, 2).reshape(x.shape)
        x = _layer_norm(x + _linear(mixed, p, f"{name}.self_attn.out_proj."), p, f"{name}.norm1")
        inner = jax.nn.relu(_linear(x, p, f"{name}.linear1."))
        x = _layer_norm(x + _linear(inner, p, f"{name}.linear2."), p, f"{name}.norm2")
    return _linear(x.mean(1), p, "head.")


BY_HAND: dict[str, Callable] = {"resnet18": resnet18, "transformer": transformer}


def hand_written(forward: Callable, model: Any, x: Any, y: Any) -> Any:
    """The compiled step: SGD with momentum, its parameters, momenta and buffers donated."""
    params = {name: p._read() for name, p in model.named_parameters()}
    buffers = {name: b._read() for name, b in model.named_buffers() if b.ndim}
    momenta = {name: jnp.zeros_like(p) for name, p in params.items()}

    def loss_of(params: Tree, buffers: Tree, x: Any, y: Any) -> tuple:
        new: Tree = {}
        scores = jax.nn.log_softmax(forward({**params, **buffers}, x, new))
        return -jnp.take_along_axis(scores, y[:, None], 1).mean(), new

    def step(params: Tree, momenta: Tree, buffers: Tree, x: Any, y: Any) -> tuple:
        (loss, new), grads = jax.value_and_grad(loss_of, has_aux=True)(params, buffers, x, y)
        momenta = {name: MOMENTUM * m + grads[name] for name, m in momenta.items()}
        params = {name: p - LR * momenta[name] for name, p in params.items()}
        return loss, params, momenta, new

    jitted = jax.jit(step, donate_argnums=(0, 1, 2))
    return jitted.lower(params, momenta, buffers, x, y.astype(jnp.int32)).compile()


# -- the account --------------------------------------------------------------------------------------


def peak(compiled: Any) -> int:
    """The bytes that are in use at once while a program runs."""
    found = compiled.memory_analysis()
    sizes = found.argument_size_in_bytes, found.output_size_in_bytes, found.temp_size_in_bytes
    return sum(sizes) - found.alias_size_in_bytes


def peaks(name: str) -> tuple[int, int]:
    """The peaks of the same step of the same model, ours and by hand, in bytes."""
    make, shape = CASES[name]
    torchcompat.manual_seed(0)
    model = make(torchcompat)
    x, y = torchcompat.randn(shape), torchcompat.randint(0, 10, shape[:1])
    step = torchcompat.compile(training_step(torchcompat, model))
    for _ in range(2):  # the first step makes the momenta
        step(x, y)
    ours = peak(step._compiled.program([x, y]))
    return ours, peak(hand_written(BY_HAND[name], model, x._read(), y._read()))


def main() -> None:
    """Runs the cases and prints a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=CASES)
    options = parser.parse_args()
    for name in CASES:
        if options.only in (None, name):
            ours, by_hand = peaks(name)
            sizes = f"{ours / 2**20:.0f} MB against {by_hand / 2**20:.0f} MB"
            print(f"{name}, peak of a step: {ours / by_hand:.2f} ({sizes})", flush=True)


if __name__ == "__main__":
    main()
