"""`torchcompat inspect`."""

from __future__ import annotations

import argparse
from typing import Any

from converters._text import human, show, table, to_json
from converters.files._convert import describe
from converters.files._open import open_checkpoint

KEY = "take what lies under this top-level name, such as state_dict or params"
SOURCE = "a file, a shard index, or a folder (Hugging Face's or Orbax's)"


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Adds the command."""
    parser = commands.add_parser(
        "inspect",
        help="list names, dtypes, shapes and sizes",
        description="Lists the tensors of a checkpoint. Reads no values and runs no code in it.",
    )
    parser.add_argument("file", metavar="FILE", help=SOURCE)
    parser.add_argument("--key", metavar="NAME", help=KEY)
    return parser


def run(options: argparse.Namespace) -> int:
    """Prints the table; 0."""
    with open_checkpoint(options.file, options.key) as checkpoint:
        infos, ties = checkpoint.infos, checkpoint.ties()
        first = {info.tie: info for info in infos.values()}
        total = sum(info.nbytes for info in first.values())
        other = {name: describe(value) for name, value in checkpoint.other.items()}
    if options.json:
        tensors = [
            {"name": n, "dtype": i.dtype.name, "shape": i.shape, "nbytes": i.nbytes, "file": i.file}
            for n, i in infos.items()
        ]
        fields = {"format": checkpoint.format, "metadata": checkpoint.metadata, "tied": ties}
        print(to_json({**fields, "tensors": tensors, "other": other, "nbytes": total}))
        return 0
    rows = [(n, i.dtype.name, _shape(i.shape), human(i.nbytes)) for n, i in infos.items()]
    show(
        table(("name", "dtype", "shape", "size"), rows, right=(3,)),
        *(f"tied: {' = '.join(names)}" for names in ties),
        *(f"no tensor: {name} ({what})" for name, what in other.items()),
        *(f"metadata: {key} = {value!s:.200}" for key, value in checkpoint.metadata.items()),
        f"{len(infos)} tensors, {human(total)}, {checkpoint.format}",
    )
    return 0


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
