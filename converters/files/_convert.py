"""`convert`: a checkpoint of any format into any other, tensor by tensor."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

from converters.files._checkpoint import Checkpoint, describe_keys
from converters.files._items import Item, split_ties
from converters.files._names import PREFIXES, strip_prefixes
from converters.files._open import find, open_checkpoint
from converters.files._saving import SHARD_SIZE, write_items
from torchcompat._dtype import BY_NAME, dtype

Progress = Callable[[str, int, int], None]
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
        nbytes: bytes of the source's tensors.
        renamed: old names to new ones, where they differ.
        repaired: those of them that prefix repair changed.
        resumed: how many shards an earlier, interrupted run had completed.
        left_out: entries that are no tensors.
        unused: rules that changed no name.
    """

    tensors: int
    nbytes: int
    renamed: dict[str, str]
    repaired: dict[str, str]
    resumed: int
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
    repair: bool | Iterable[str] = False,
    key: str | None = None,
    format: str | None = None,
    max_shard_size: int | str = SHARD_SIZE,
    progress: Progress = lambda name, done, total: None,
) -> Conversion:
    """Writes `source` in another format; holds one tensor at a time.

    The target appears when it is complete. Tied tensors stay tied, and a safetensors header's texts
    are kept between formats that have a place for them. A conversion into a folder of shards that
    was interrupted goes on with the shards that lack, if it is run again with the same arguments
    and its source is the same; otherwise it begins anew.

    Args:
        source: anything that `open_checkpoint` opens.
        target: as in `save_checkpoint`.
        dtype: the dtype that floating tensors get, such as "bfloat16". Others keep theirs.
        rename: rules, of which the first that fits a name is applied.
        repair: True takes the prefixes `module.`, `_orig_mod.` and `model.` off the names, before
            the rules; or a list of prefixes. The result says what was renamed.
        key: the top-level name to take, such as "state_dict".
        format: as in `save_checkpoint`.
        max_shard_size: the most bytes of one shard.
        progress: called with the name of each tensor that is written, and the bytes written so far
            and in all.

    Raises:
        ValueError: the source nests its tensors and no `key` is given, two names become one, or
            `dtype` is no floating dtype.
        FileExistsError: the target is a folder that holds a checkpoint.
        RuntimeError: the source changed while it was read.
    """
    kind = _floating(dtype) if dtype else None
    rules = list(rename)
    with open_checkpoint(source, key) as checkpoint:
        if checkpoint.nested:
            raise ValueError(f"{os.fspath(source)}: {describe_keys(checkpoint)}; choose one (key)")
        old = list(checkpoint.infos)
        prefixes = PREFIXES if repair is True else tuple(repair or ())
        repaired = strip_prefixes(old, prefixes)
        names, unused = _renamed(old, repaired, rules)
        items = [_item(checkpoint, name, new, kind) for name, new in names.items()]
        watch = _Watch(source, checkpoint, items, progress)
        mark = [watch.stamp, key, list(names.items()), dtype]
        texts = _texts(checkpoint)
        resumed = write_items(target, items, max_shard_size, texts, watch, format, mark)
        changed = {name: new for name, new in names.items() if name != new}
        total = sum(info.nbytes for info in checkpoint.infos.values())
        left_out = list(checkpoint.other)
        return Conversion(len(items), total, changed, repaired, resumed, left_out, unused)


class _Watch:
    """Called after each tensor: counts, and makes sure that the source is still what it was.

    Attributes:
        stamp: size and times of each of the source's files.
    """

    def __init__(
        self,
        source: str | os.PathLike,
        checkpoint: Checkpoint,
        items: list[Item],
        progress: Progress,
    ) -> None:
        places = {find(source), *(info.file for info in checkpoint.infos.values())}
        self._places = sorted(os.path.abspath(place) for place in places)
        self._source, self._progress = os.fspath(source), progress
        self._done, self._total = 0, sum(item.nbytes for item in split_ties(items)[0])
        self.stamp = self._stamp()

    def __call__(self, name: str, nbytes: int) -> None:
        if self._stamp() != self.stamp:
            raise RuntimeError(f"{self._source} changed while it was read; run it again")
        self._done = min(self._done + nbytes, self._total)
        self._progress(name, self._done, self._total)

    def _stamp(self) -> list:
        return [_stamp_of(file) for place in self._places for file in _files(place)]


def _files(place: str) -> list[str]:
    if not os.path.isdir(place):
        return [place]
    return sorted(os.path.join(root, name) for root, _, names in os.walk(place) for name in names)


def _stamp_of(file: str) -> list:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return [file]
    return [file, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _floating(name: str) -> dtype:
    kind = BY_NAME.get(name.removeprefix("torch."))
    if kind is None or not kind.is_floating_point:
        known = ", ".join(sorted({k.name for k in BY_NAME.values() if k.is_floating_point}))
        raise ValueError(f"{name!r} is no floating dtype; there are {known}")
    return kind


def _renamed(
    names: list[str], repaired: dict[str, str], rules: list[Rule]
) -> tuple[dict[str, str], list[str]]:
    """The new name of each, and the rules that were for none."""
    found: dict[str, str] = {}
    used: set[Rule] = set()
    for name in names:
        found[name] = bare = repaired.get(name, name)
        for rule in rules:
            new = rule.apply(bare)
            if new != bare:
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
    return Item(new, target, info.shape, info.tie, partial(checkpoint.values, old))


def _texts(checkpoint: Checkpoint) -> dict[str, str]:
    return {k: v for k, v in checkpoint.metadata.items() if isinstance(v, str) and k != "format"}


def describe(value: Any) -> str:
    """An entry that is no tensor, in a few words."""
    text = repr(value) if isinstance(value, (int, float, str, bool, type(None))) else ""
    kind = type(value).__name__
    return f"{kind} {text}" if text and len(text) <= 60 else kind
