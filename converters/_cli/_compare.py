"""`torchcompat compare`."""

from __future__ import annotations

import argparse
from typing import Any

from converters._cli._convert import REPAIR
from converters._cli._inspect import KEY, SOURCE
from converters._cli._print import Bar
from converters._text import show, table, to_json
from converters.files._compare import Difference, compare


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        help="compare two checkpoints key by key",
        description="Compares two checkpoints of any formats. Exit status: 0 equal, 1 differing, "
        "2 an error.",
    )
    parser.add_argument("a", metavar="A", help=SOURCE)
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--rtol", type=float, default=0.0, help="relative tolerance (default 0)")
    parser.add_argument("--atol", type=float, default=0.0, help="absolute tolerance (default 0)")
    parser.add_argument("--key-a", metavar="NAME", help=KEY)
    parser.add_argument("--key-b", metavar="NAME", help=KEY)
    parser.add_argument("--repair", action="store_true", help=f"{REPAIR} of both")
    parser.add_argument("--ignore-dtype", action="store_true", help="compare values alone")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser


def run(options: argparse.Namespace) -> int:
    """Prints the differences; 1 if there are any."""
    with Bar("comparing", hidden=options.quiet or options.json) as progress:
        found = compare(
            options.a,
            options.b,
            rtol=options.rtol,
            atol=options.atol,
            key_a=options.key_a,
            key_b=options.key_b,
            repair=options.repair,
            check_dtype=not options.ignore_dtype,
            progress=progress,
        )
    if options.json:
        print(to_json({"equal": found.equal, **found._asdict()}))
    elif found.equal:
        print(f"equal: {found.same} tensors")
    else:
        head = ("name", "differs", "detail", "max abs", "max rel")
        count = len(found.differences)
        lines = table(head, map(_row, found.differences), right=(3, 4))
        show(lines, f"{count} differ{'s' * (count == 1)}, {found.same} are equal")
    return 0 if found.equal else 1


def _row(one: Difference) -> tuple[str, ...]:
    numbers = ("" if n is None else f"{n:.3g}" for n in (one.max_abs, one.max_rel))
    hint = f" ({one.hint})" if one.hint else ""
    return (one.name, one.kind, one.detail + hint, *numbers)
