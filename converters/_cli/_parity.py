"""`torchcompat parity`."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

from converters._cli._convert import REPAIR
from converters._cli._inspect import KEY, SOURCE
from converters._text import show
from converters.parity._compare import compare_models
from converters.parity._factories import doubled, fill, inputs_of, make_pair

_FACTORY = "package.module:function or path/file.py:function; a class will do"


def add_to(commands: Any) -> argparse.ArgumentParser:
    """Adds the command."""
    parser = commands.add_parser(
        "parity",
        help="compare torch's model and ours, layer by layer",
        description="Makes a torch model and ours, loads a checkpoint into both, runs them on the "
        "same inputs, forward and backward, and names the module where they part. Needs torch. "
        "Exit status: 0 they agree, 1 they differ, 2 an error.",
    )
    parser.add_argument("theirs", metavar="THEIRS", help=f"makes torch's model: {_FACTORY}")
    parser.add_argument(
        "ours", metavar="OURS", nargs="?", help="makes ours (default: THEIRS, run on torchcompat)"
    )
    parser.add_argument("--checkpoint", metavar="FILE", help=f"{SOURCE}; default: torch's weights")
    parser.add_argument("--key", metavar="NAME", help=KEY)
    parser.add_argument("--repair", action="store_true", help=REPAIR)
    parser.add_argument(
        "--input",
        metavar="SPEC",
        action="append",
        default=[],
        help="SHAPE[:DTYPE[:LOW..HIGH]], such as 1x3x32x32 or 2x8:int64:0..99; once for each input",
    )
    parser.add_argument(
        "--inputs", metavar="FACTORY", help="a function that returns the inputs, or a dict by name"
    )
    parser.add_argument("--seed", type=int, default=0, help="of --input's random numbers")
    parser.add_argument("--rtol", type=float, help="in units of the largest value (by dtype)")
    parser.add_argument("--atol", type=float, help="on top of it (by dtype)")
    parser.add_argument("--double", action="store_true", help="run both in double precision")
    parser.add_argument("--train", action="store_true", help="in training mode, not eval()")
    parser.add_argument("--forward", action="store_true", help="compare no gradients")
    parser.add_argument("--save", metavar="FILE", help="write the report as JSON")
    parser.add_argument("--plot", metavar="FILE", help="draw the errors by depth (png, svg, pdf)")
    return parser


def run(options: argparse.Namespace) -> int:
    """Prints the report; 1 if the models differ."""
    if bool(options.input) == bool(options.inputs):
        raise ValueError("give the inputs: --input once for each, or --inputs")
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise RuntimeError(
            f"parity runs torch's model, and torch is not installed ({error})"
        ) from None
    args, kwargs = inputs_of(options.input, options.inputs, options.seed)
    theirs, ours = make_pair(options.theirs, options.ours)
    loaded = fill(theirs, ours, options.checkpoint, options.key, options.repair)
    for model in (theirs, ours):
        model.train(options.train)
    if options.double:
        theirs, ours = theirs.double(), ours.double()
        args, kwargs = doubled((args, kwargs))
    report = compare_models(
        theirs,
        ours,
        *args,
        rtol=options.rtol,
        atol=options.atol,
        backward=not options.forward,
        **kwargs,
    )
    if options.save:
        report.save(options.save)
    if options.plot:
        report.plot(options.plot)
    if options.json:
        print(report.to_json())
    else:
        if loaded is not None:
            print(f"{options.checkpoint}: {loaded}", file=sys.stderr)
        show(report)
    return 0 if report.ok else 1
