"""Memory that loading and converting a checkpoint take beyond the model itself.

    python benchmarks/checkpoint_memory.py 8GB --shards 8

Writes a synthetic checkpoint in a temporary folder under `--folder`, loads and converts it in
processes of their own, and prints the peak of the resident memory above what the process and the
model take, in units of the largest tensor. Ends with status 1 where that is above `--most`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from typing import Any

import numpy as np

import torchcompat as torch
from converters.files import convert, load_checkpoint
from converters.files._items import Item
from converters.files._saving import parse_size
from converters.files._shards import write_folder

TENSORS_IN_SHARD = 4
# name -> (where it is converted to, options)
CONVERSIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "convert to shards": ("folder", {}),
    "convert to torch shards": ("folder", {"format": "torch"}),
    "convert to bfloat16": ("folder", {"dtype": "bfloat16"}),
    "convert to one file of torch": ("one.pt", {}),
    "convert to msgpack": ("one.msgpack", {}),
    "convert to Orbax": ("one.orbax", {}),
}
LOADS = ("load", "load with assign")


class Model(torch.nn.Module):
    """Matrices of the given shape under the names that `write` gives them."""

    def __init__(self, count: int, shape: tuple[int, int]) -> None:
        super().__init__()
        for number in range(count):
            self.register_parameter(f"w{number}", torch.nn.Parameter(torch.zeros(shape)))


def shape_of(size: int, shards: int) -> tuple[int, int]:
    """The shape of each matrix."""
    return size // shards // TENSORS_IN_SHARD // 4096, 1024


def write(folder: str, size: int, shards: int) -> None:
    """A checkpoint of float32 matrices, no two alike."""
    shape = shape_of(size, shards)

    def values(number: int) -> np.ndarray:
        row = np.random.default_rng(number).standard_normal(shape[1]).astype(np.float32)
        return np.broadcast_to(row, shape)

    items = [
        Item(f"w{n}", torch.float32, shape, n, partial(values, n))
        for n in range(shards * TENSORS_IN_SHARD)
    ]
    write_folder(folder, items, items[0].nbytes * TENSORS_IN_SHARD)


def resident(field: str) -> int:
    """Bytes of `VmRSS`, or of its peak `VmHWM`."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


def measure(job: str, source: str, target: str, size: int, shards: int) -> dict[str, Any]:
    """Runs a job in this process; its peak above the start and the model, and its time."""
    shape, count = shape_of(size, shards), shards * TENSORS_IN_SHARD
    largest = shape[0] * shape[1] * 4
    model_bytes = largest * count if job in LOADS else 0
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts anew
    start = time.perf_counter()
    if job in LOADS:
        with torch.device("meta" if job == "load with assign" else "cpu"):
            model = Model(count, shape)
        load_checkpoint(model, source, assign=job == "load with assign")
    else:
        end, options = CONVERSIONS[job]
        convert(source, os.path.join(target, end), max_shard_size=largest * 4, **options)
    above = resident("VmHWM") - before - model_bytes
    return {"job": job, "above": above / largest, "seconds": time.perf_counter() - start}


def main() -> int:
    """Prints a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("size", help="of the checkpoint, such as 8GB")
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--most", type=float, default=1.15, help="allowed, in largest tensors")
    parser.add_argument("--folder", help="where to write (default: the system's temporary folder)")
    parser.add_argument("--jobs", nargs="*", default=[*LOADS, *CONVERSIONS])
    parser.add_argument("--together", action="store_true", help="all jobs in one process")
    parser.add_argument("--source", help="a checkpoint that an earlier call wrote for this size")
    options = parser.parse_args()
    size = parse_size(options.size)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source = options.source or os.path.join(folder, "source")
        if options.source is None:
            write(source, size, options.shards)
        if options.together:
            return here(options, source, folder, size)
        status = 0
        for job in options.jobs:
            arguments = [sys.executable, __file__, options.size, "--shards", str(options.shards)]
            arguments += ["--most", str(options.most), "--folder", folder, "--source", source]
            status |= subprocess.run([*arguments, "--together", "--jobs", job]).returncode
        return status


def here(options: argparse.Namespace, source: str, folder: str, size: int) -> int:
    """The jobs in this process, each once in small before, so that start-up is not counted."""
    small = os.path.join(folder, "small")
    write(small, 1 << 20, 2)
    status = 0
    for job in options.jobs:
        for place, bytes_, shards in ((small, 1 << 20, 2), (source, size, options.shards)):
            with tempfile.TemporaryDirectory(dir=folder) as target:
                found = measure(job, place, target, bytes_, shards)
        print(json.dumps(found), flush=True)
        status |= found["above"] > options.most
    return status


if __name__ == "__main__":
    sys.exit(main())
