"""The command line: what to read, and how to print what was found."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from torchcompat._doctor._reader import Finding, read

_EPILOG = "exit status: 0 if all is covered, 1 if not, 2 if the arguments make no sense"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m torchcompat", description="PyTorch's API on JAX")
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser(
        "doctor",
        help="list what torch source uses and torchcompat lacks",
        description="Reads torch source without running it and lists each torch name, method or "
        "argument that torchcompat lacks.",
        epilog=_EPILOG,
    )
    doctor.add_argument("target", metavar="PATH_OR_PACKAGE", help="a file, a folder or a package")
    doctor.add_argument("--json", action="store_true", help="print a JSON list of findings")
    doctor.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="skip files whose path matches, such as 'tests/*' (may be repeated)",
    )
    return parser


def sources(target: str) -> list[Path]:
    """The Python files of a path or an installed package.

    Raises:
        FileNotFoundError: there is neither.
    """
    path = Path(target)
    if path.is_file():
        return [path]
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    try:
        spec = importlib.util.find_spec(target) if target.replace(".", "").isidentifier() else None
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None and not spec.submodule_search_locations:
        raise FileNotFoundError(f"no such file, folder or installed package: {target!r}")
    if spec.submodule_search_locations:
        return [f for place in spec.submodule_search_locations for f in sources(place)]
    return [Path(str(spec.origin))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as error:
        return int(error.code or 0)
    try:
        files = sources(options.target)
    except FileNotFoundError as error:
        print(f"doctor: {error}", file=sys.stderr)
        return 2
    files = [f for f in files if not any(f.match(p) for p in options.exclude)]
    if not files:
        print(f"doctor: no Python files in {options.target!r}", file=sys.stderr)
        return 2
    findings = [one for file in files for one in read(file)]
    _print(findings, len(files), options.json)
    return 1 if findings else 0


def _print(findings: list[Finding], files: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps([dataclasses.asdict(one) for one in findings], indent=2))
        return
    for one in findings:
        print(f"{one.file}:{one.line}: {one.name}: {one.problem}")
    print(f"{files} files read, {len(findings)} uses of torch not covered", file=sys.stderr)
