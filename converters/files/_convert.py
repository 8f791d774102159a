"""`convert`: a checkpoint of any format into any other, tensor by tensor."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from converters.files._checkpoint import Checkpoint, describe_keys, release
from converters.files._open import open_checkpoint
from converters.files._saving import SHARD_SIZE, write_items
from converters.files._writing import Item, Progress, _silent
from torchcompat._dtype import BY_NAME, dtype

_ARROW = re.compile(r"\s*->\s*")


class Rule(NamedTuple):
    """A change of names: `old` is a whole name, a prefix ending in a dot, or a regex after "re:"."""

    old: str
    new: str

    def apply(self, name: str) -> str:
        """The name that `name` gets; itself if the rule is not for it."""
        if self.old.startswith("re:"):
            match = re.fullmatch(self.old[3:], name)
            return match.expand(self.new) if match else name
        if self.old.endswith(".") and name.startswith(self.old):
            return self.new + name[len(self.old) :]
        return self.new if name == self.old else name


class Conversion(NamedTuple):
    """What `convert` wrote.

    Attributes:
        tensors: how many names.
        nbytes: bytes of the tensors that were read.
        renamed: old names to new ones, where they differ.
        left_out: entries that are no tensors.
        unused: rules that changed no name.
    """

    tensors: int
    nbytes: int
    renamed: dict[str, str]
    left_out: list[str]
    unused: list[str]


def read_rules(path: str | os.PathLike) -> list[Rule]:
    """Rules from a table file: JSON `{"old": "new"}`, or lines `old -> new` with `#` comments.

    Raises:
        ValueError: a line or a pattern makes no sense.
    """
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        rules = _from_json(text) if text.lstrip().startswith("{") else _from_lines(text)
        for rule in rules:
            if rule.old.startswith("re:"):
                re.compile(rule.old[3:])
    except (ValueError, re.error) as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None
    return rules


def _from_json(text: str) -> list[Rule]:
    table = json.loads(text)
    if not all(isinstance(new, str) for new in table.values()):
        raise ValueError("the new names must be texts")
    return [Rule(old, new) for old, new in table.items()]


def _from_lines(text: str) -> list[Rule]:
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        parts = _ARROW.split(line)
        if len(parts) != 2 or not parts[0]:
            raise ValueError(f"line {number}: write 'old -> new', not {line!r}")
        rules.append(Rule(*parts))
    return rules


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    dtype: str | None = None,
    rename: Iterable[Rule] = (),
    key: str | None = None,
    max_shard_size: int | str = SHARD_SIZE,
    progress: Progress = _silent,
) -> Conversion:
    """Writes `source` as `target`, whose name says the format; holds one tensor at a time.

    The target appears when it is complete. Tied tensors stay tied, and a safetensors header's texts
    are kept between safetensors files.

    Args:
        source: anything that `open_checkpoint` opens.
        target: as in `save_checkpoint`.
        dtype: the dtype that floating tensors get, such as "bfloat16". Others keep theirs.
        rename: rules, of which the first that fits a name is applied.
        key: the top-level name of a torch file to take.
        max_shard_size: the most bytes of one shard.
        progress: called with the name and size of each tensor written.

    Raises:
        ValueError: the source nests its tensors and no `key` is given, two names become one, or
            `dtype` is no floating dtype.
        FileExistsError: the target is a folder that holds a checkpoint.
    """
    kind = _floating(dtype) if dtype else None
    rules = list(rename)
    with open_checkpoint(source, key) as checkpoint:
        if checkpoint.nested:
            raise ValueError(f"{os.fspath(source)}: {describe_keys(checkpoint)}; choose one (key)")
        names, unused = _renamed(list(checkpoint.infos), rules)
        items = [_item(checkpoint, old, new, kind) for old, new in names.items()]
        write_items(target, items, max_shard_size, _texts(checkpoint), progress)
        changed = {old: new for old, new in names.items() if old != new}
        total = sum(info.nbytes for info in checkpoint.infos.values())
        return Conversion(len(items), total, changed, list(checkpoint.other), unused)


def _floating(name: str) -> dtype:
    kind = BY_NAME.get(name.removeprefix("torch."))
    if kind is None or not kind.is_floating_point:
        known = ", ".join(sorted({k.name for k in BY_NAME.values() if k.is_floating_point}))
        raise ValueError(f"{name!r} is no floating dtype; there are {known}")
    return kind


def _renamed(names: list[str], rules: list[Rule]) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    used: set[Rule] = set()
    for name in names:
        found[name] = name
        for rule in rules:
            new = rule.apply(name)
            if new != name:
                found[name] = new
                used.add(rule)
                break
    owners: dict[str, str] = {}
    for old, new in found.items():
        if owners.setdefault(new, old) != old:
            raise ValueError(f"{owners[new]!r} and {old!r} would both become {new!r}")
        if not new:
            raise ValueError(f"{old!r} would become an empty name")
    return found, [rule.old for rule in rules if rule not in used]


def _item(checkpoint: Checkpoint, old: str, new: str, kind: dtype | None) -> Item:
    info = checkpoint.infos[old]
    target = kind if kind is not None and info.dtype.is_floating_point else info.dtype
    return Item(new, target, info.shape, info.tie, partial(_values, checkpoint, old))


def _values(checkpoint: Checkpoint, name: str) -> np.ndarray:
    release()
    return np.asarray(checkpoint.read(name).detach())


def _texts(checkpoint: Checkpoint) -> dict[str, str]:
    return {k: v for k, v in checkpoint.metadata.items() if isinstance(v, str) and k != "format"}


def describe(value: Any) -> str:
    """An entry that is no tensor, in a few words."""
    text = repr(value) if isinstance(value, (int, float, str, bool, type(None))) else ""
    kind = type(value).__name__
    return f"{kind} {text}" if text and len(text) <= 60 else kind
