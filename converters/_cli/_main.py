"""The command line: arguments, exit statuses and how results are printed."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pickle import UnpicklingError
from typing import Any

from converters._cli._print import Progress, human, table
from converters.files._compare import Comparison, compare
from converters.files._convert import convert, describe, read_rules
from converters.files._open import open_checkpoint
from converters.files._saving import SHARD_SIZE

_KEY = "take what a torch file has under this name, such as state_dict"
# What a wrong path, file or argument raises; anything else is a defect and shows its traceback.
_EXPECTED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    NotImplementedError,
    UnpicklingError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status.

    Statuses: 0 done (or equal), 1 the checkpoints differ, 2 an error.
    """
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except _EXPECTED as error:
        _report(error, options.json)
        return 2
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        _report(error, options.json)
        return 2


def entry() -> None:
    """The script: ends the process with the exit status; cleans up when it is terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # `torchcompat inspect x | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _report(error: Exception, as_json: bool) -> None:
    text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
    text = f"{text}" or type(error).__name__
    if as_json:
        _print_json({"error": text, "type": type(error).__name__})
    else:
        print(f"torchcompat: error: {text}", file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(_plain(value), indent=2))


def _plain(value: Any) -> Any:
    """JSON has no infinities: they become texts."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "torchcompat",
        description="Looks into checkpoints, converts and compares them, without torch.",
        epilog="exit status: 0 done or equal, 1 the checkpoints differ, 2 an error",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_inspect(commands)
    _add_convert(commands)
    _add_compare(commands)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_inspect(commands: Any) -> None:
    parser = commands.add_parser(
        "inspect",
        help="list names, dtypes, shapes and sizes",
        description="Lists the tensors of a checkpoint. Reads no values and runs no code in it.",
    )
    parser.add_argument("file", metavar="FILE", help="a file, a shard index or a folder")
    parser.add_argument("--key", metavar="NAME", help=_KEY)
    parser.set_defaults(run=_inspect)


def _add_convert(commands: Any) -> None:
    parser = commands.add_parser(
        "convert",
        help="write a checkpoint in another format",
        description="Converts between torch's files, safetensors and folders of shards. Holds one "
        "tensor at a time; the result appears when it is complete.",
    )
    parser.add_argument("source", metavar="SRC", help="a file, a shard index or a folder")
    parser.add_argument(
        "target", metavar="DST", help="*.safetensors, *.pt, *.pth, *.bin, or a folder for shards"
    )
    parser.add_argument("--dtype", help="dtype for floating tensors, such as bfloat16")
    parser.add_argument(
        "--rename",
        metavar="TABLE",
        help="a file of lines 'old -> new' (names, prefixes ending in a dot, or re:PATTERN), or JSON",
    )
    parser.add_argument("--key", metavar="NAME", help=_KEY)
    parser.add_argument(
        "--max-shard-size", metavar="SIZE", default=SHARD_SIZE, help="such as 200MB (default 5GB)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(run=_convert)


def _add_compare(commands: Any) -> None:
    parser = commands.add_parser(
        "compare",
        help="compare two checkpoints key by key",
        description="Compares two checkpoints of any formats. Exit status: 0 equal, 1 differing, "
        "2 an error.",
    )
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--rtol", type=float, default=0.0, help="relative tolerance (default 0)")
    parser.add_argument("--atol", type=float, default=0.0, help="absolute tolerance (default 0)")
    parser.add_argument("--key-a", metavar="NAME", help=_KEY)
    parser.add_argument("--key-b", metavar="NAME", help=_KEY)
    parser.add_argument("--ignore-dtype", action="store_true", help="compare values alone")
    parser.set_defaults(run=_compare)


def _inspect(options: argparse.Namespace) -> int:
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
        _print_json({**fields, "tensors": tensors, "other": other, "nbytes": total})
        return 0
    rows = [(n, i.dtype.name, _shape(i.shape), human(i.nbytes)) for n, i in infos.items()]
    print(table(("name", "dtype", "shape", "size"), rows, right=(3,)))
    for names in ties:
        print(f"tied: {' = '.join(names)}")
    for name, what in other.items():
        print(f"no tensor: {name} ({what})")
    print(f"{len(infos)} tensors, {human(total)}, {checkpoint.format}")
    return 0


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _convert(options: argparse.Namespace) -> int:
    rules = read_rules(options.rename) if options.rename else []
    progress = Progress(hidden=options.quiet or options.json)
    try:
        done = convert(
            options.source,
            options.target,
            dtype=options.dtype,
            rename=rules,
            key=options.key,
            max_shard_size=options.max_shard_size,
            progress=progress,
        )
    finally:
        progress.close()
    if options.json:
        _print_json({"target": options.target, **done._asdict()})
        return 0
    for name in done.left_out:
        print(f"left out, as it is no tensor: {name}", file=sys.stderr)
    for old in done.unused:
        print(f"no name fits the rule {old!r}", file=sys.stderr)
    changed = f", {len(done.renamed)} renamed" if done.renamed else ""
    print(f"{options.target}: {done.tensors} tensors, {human(done.nbytes)} read{changed}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    found = compare(
        options.a,
        options.b,
        rtol=options.rtol,
        atol=options.atol,
        key_a=options.key_a,
        key_b=options.key_b,
        check_dtype=not options.ignore_dtype,
    )
    if options.json:
        differences = [one._asdict() for one in found.differences]
        _print_json({"equal": found.equal, "same": found.same, "differences": differences})
    else:
        _print_comparison(found)
    return 0 if found.equal else 1


def _print_comparison(found: Comparison) -> None:
    if found.equal:
        print(f"equal: {found.same} tensors")
        return
    numbers = ("" if n is None else f"{n:.3g}" for d in found.differences for n in d[3:])
    pairs = list(zip(numbers, numbers))
    rows = [(*d[:3], *pair) for d, pair in zip(found.differences, pairs)]
    head = ("name", "differs", "detail", "max abs", "max rel")
    print(table(head, rows, right=(3, 4)))
    print(f"{len(found.differences)} differ, {found.same} are equal")
