"""The command line: its commands, and how errors and exit statuses come out of it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pickle import UnpicklingError

from safetensors import SafetensorError

from converters._cli import _compare, _convert, _inspect, _parity
from converters._text import to_json

# What a wrong path, file or argument raises; anything else is a defect and shows its traceback.
_EXPECTED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    RuntimeError,
    UnpicklingError,
    SafetensorError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status.

    Statuses: 0 done (or equal), 1 what was compared differs, 2 an error.
    """
    options = _parser().parse_args(argv)
    try:
        return options.run(options)
    except _EXPECTED as error:
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
    except Exception:
        traceback.print_exc()
        status = 2  # Python's own would be 1, which means that things differ
    sys.exit(status)


def _report(error: Exception, as_json: bool) -> None:
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = text or type(error).__name__
    notes = getattr(error, "__notes__", [])
    if as_json:
        print(to_json({"error": text, "type": type(error).__name__, "notes": notes}))
        return
    print(f"torchcompat: error: {text}", file=sys.stderr)
    for note in notes:
        print(f"torchcompat: {note}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "torchcompat",
        description="Looks into checkpoints, converts and compares them, and compares models.",
        epilog="exit status: 0 done or equal, 1 what was compared differs, 2 an error",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for one in (_inspect, _convert, _compare, _parity):
        made = one.add_to(commands)
        made.add_argument("--json", action="store_true", help="print the result as JSON")
        made.set_defaults(run=one.run)
    return parser
