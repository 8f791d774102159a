"""`torchcompat convert`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from converters._cli._inspect import KEY, SOURCE
from converters._cli._print import Bar
from converters._text import human, to_json
from converters.files._convert import convert, read_rules
from converters.files._formats import FORMATS
from converters.files._names import describe_repairs
from converters.files._saving import SHARD_SIZE

REPAIR = "take the prefixes module., _orig_mod. and model. off the names"


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Adds the command."""
    parser = commands.add_parser(
        "convert",
        help="write a checkpoint in another format",
        description="Converts between torch's files, safetensors, folders of shards, Flax's "
        "msgpack and Orbax. Holds one tensor at a time; the result appears when it is complete. "
        "An interrupted conversion into shards goes on where it was, if it is run again.",
    )
    endings = ", ".join(f"*{ending}" for one in FORMATS.values() for ending in one.endings)
    parser.add_argument("source", metavar="SRC", help=SOURCE)
    parser.add_argument("target", metavar="DST", help=f"{endings}, or a folder for shards")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="where DST's name does not say it; for a folder, its files'",
    )
    parser.add_argument("--dtype", help="dtype for floating tensors, such as bfloat16")
    parser.add_argument(
        "--rename",
        metavar="TABLE",
        help="a file of lines 'old -> new' (names, prefixes ending in a dot, or re:PATTERN), or JSON",
    )
    parser.add_argument("--repair", action="store_true", help=f"{REPAIR}, before --rename")
    parser.add_argument("--key", metavar="NAME", help=KEY)
    parser.add_argument(
        "--max-shard-size", metavar="SIZE", default=SHARD_SIZE, help="such as 200MB (default 5GB)"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def run(options: argparse.Namespace) -> int:
    """Converts; 0."""
    rules = read_rules(options.rename) if options.rename else []
    with Bar("converting", hidden=options.quiet or options.json) as progress:
        done = convert(
            options.source,
            options.target,
            dtype=options.dtype,
            rename=rules,
            repair=options.repair,
            key=options.key,
            format=options.format,
            max_shard_size=options.max_shard_size,
            progress=progress,
        )
    if options.json:
        print(to_json({"target": options.target, **done._asdict()}))
        return 0
    for name in done.left_out:
        print(f"left out, as it is no tensor: {name}", file=sys.stderr)
    for old in done.unused:
        print(f"no name fits the rule {old!r}", file=sys.stderr)
    if options.repair:
        print(
            describe_repairs(done.repaired) or "no name has a prefix to take off", file=sys.stderr
        )
    if done.resumed:
        print(f"{done.resumed} shards were complete already", file=sys.stderr)
    changed = f", {len(done.renamed)} renamed" if done.renamed else ""
    print(f"{options.target}: {done.tensors} tensors, {human(done.nbytes)} read{changed}")
    return 0
