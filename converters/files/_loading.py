"""`load_checkpoint`: from files into a model, one tensor at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple

import torchcompat
from converters.files._checkpoint import Checkpoint, describe_keys
from converters.files._names import (
    PREFIXES,
    close_names,
    describe_repairs,
    repair_names,
    transposition,
)
from converters.files._open import open_checkpoint
from torchcompat._tensor import Tensor
from torchcompat.nn.modules._loading import _IncompatibleKeys, _key_errors
from torchcompat.nn.modules._rollback import Snapshot


class LoadReport(NamedTuple):
    """What `load_checkpoint` did.

    Attributes:
        missing_keys: names of the model that were not found.
        unexpected_keys: names of the file that were not used.
        renamed: names of the file that prefix repair changed, with the new ones.
        tied: names that the file lacks and that got their values through a tied tensor's name.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]
    renamed: dict[str, str]
    tied: dict[str, str]

    def __str__(self) -> str:
        parts = [describe_repairs(self.renamed)] if self.renamed else []
        parts += [f"{name!r} is tied to {other!r}" for name, other in self.tied.items()]
        for title, keys in (("missing", self.missing_keys), ("unexpected", self.unexpected_keys)):
            if keys:
                parts.append(f"{title}: {', '.join(keys)}")
        return "; ".join(parts) or "all keys matched"


def load_checkpoint(
    model: Any,
    path: str | os.PathLike,
    strict: bool = True,
    repair: bool | Sequence[str] = False,
    *,
    key: str | None = None,
    assign: bool = False,
) -> LoadReport:
    """Loads a checkpoint of any size, holding one tensor beyond the model at a time.

    Names and shapes are checked before the first value is read: what does not fit changes nothing.
    A file that turns out damaged while it is read leaves the model partly loaded.

    Args:
        model: the module to fill. Modules' own loading hooks run, first on tensors without values.
        path: anything that `open_checkpoint` opens.
        strict: whether the names must be exactly the model's. Names that the file lacks because it
            has a tied tensor under another name do not count as missing.
        repair: True matches names that differ by the prefixes `module.`, `_orig_mod.` and `model.`,
            which wrappers add; or a list of prefixes. The report says what was renamed.
        key: the top-level name under which a torch file has the weights, such as "state_dict".
        assign: make the tensors read the model's own, with their dtype; for a model on `meta`.

    Raises:
        RuntimeError: names (under `strict`) or shapes differ, in torch's words, with a guess at
            what was meant.

    Example:
        >>> print(load_checkpoint(model, "checkpoint/", repair=True))
        'module.' removed from 12 names
    """
    with open_checkpoint(path, key) as checkpoint:
        return _Loader(model, checkpoint, repair, assign).load(strict)


class _Loader:
    """One call of `load_checkpoint`."""

    def __init__(
        self, model: Any, checkpoint: Checkpoint, repair: bool | Sequence[str], assign: bool
    ) -> None:
        self.model, self.checkpoint, self.assign = model, checkpoint, assign
        # Whatever `state_dict` hooks make of it, only names and shapes are used here.
        self.members: dict[str, Any] = dict(model.state_dict(keep_vars=True))
        self.groups = _tied(self.members)
        names = [*checkpoint.infos, *checkpoint.other]
        self.renamed: dict[str, str] = {}
        if repair:
            prefixes = PREFIXES if repair is True else tuple(repair)
            self.renamed = repair_names(names, self.members, prefixes)
        self.names = {self.renamed.get(name, name): name for name in names}

    def load(self, strict: bool) -> LoadReport:
        missing, unexpected, errors = self._check()
        tied = self._satisfied(missing)
        missing = [name for name in missing if name not in tied]
        if strict:
            errors[:0] = _key_errors(missing, unexpected)
        if errors:
            self._fail(missing if strict else [], unexpected if strict else [], errors)
        self._pass(self._value, self.assign)
        if self.assign:
            self._tie_again(tied)
        return LoadReport(missing, unexpected, self.renamed, tied)

    def _check(self) -> tuple[list[str], list[str], list[str]]:
        """The whole load with tensors that have no values, and back again."""
        snapshot = Snapshot(self.model)
        try:
            return self._pass(self._shape_only, True)
        finally:
            snapshot.restore()

    def _pass(self, value: Callable[[str], Any], assign: bool) -> tuple[list, list, list]:
        lists: tuple[list[str], list[str], list[str]] = ([], [], [])
        refs = {name: _Ref(value, old) for name, old in self.names.items()}
        self._into(self.model, LazyState(refs, self.checkpoint.versions), "", assign, lists)
        return lists

    def _into(self, module: Any, state: LazyState, prefix: str, assign: bool, lists: tuple) -> None:
        local = dict((state._metadata or {}).get(prefix[:-1], {}))
        if assign:
            local["assign_to_params_buffers"] = True
        module._load_from_state_dict(state, prefix, local, True, *lists)
        for name, child in module._modules.items():
            if child is not None:
                path = f"{prefix}{name}."
                self._into(child, state.below(path), path, assign, lists)
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, _IncompatibleKeys(*lists[:2]))

    def _value(self, name: str) -> Any:
        if name in self.checkpoint.other:
            return self.checkpoint.other[name]
        return self.checkpoint.fetch(name)

    def _shape_only(self, name: str) -> Any:
        info = self.checkpoint.infos.get(name)
        if info is None:
            return self.checkpoint.other[name]
        return torchcompat.empty(info.shape, dtype=info.dtype, device="meta")

    # -- ties ------------------------------------------------------------------------------------

    def _satisfied(self, missing: list[str]) -> dict[str, str]:
        """Missing names whose tensor the model has under a name that is in the file."""
        found = {}
        for name in missing:
            mates = [n for n in self.groups.get(name, ()) if n in self.names]
            if mates:
                found[name] = mates[0]
        return found

    def _tie_again(self, tied: dict[str, str]) -> None:
        """After `assign`: names that the file has as one tensor are one in the model again."""
        for name in self.groups:
            mate = tied.get(name) or self._same_in_file(name)
            if mate is not None:
                home, _, last = name.rpartition(".")
                other, _, its = mate.rpartition(".")
                kept = getattr(self.model.get_submodule(other), its)
                setattr(self.model.get_submodule(home), last, kept)

    def _same_in_file(self, name: str) -> str | None:
        infos = self.checkpoint.infos
        own = infos.get(self.names.get(name, ""))
        for mate in self.groups[name]:
            if mate == name:
                return None
            its = infos.get(self.names.get(mate, ""))
            if own is not None and its is not None and its.tie == own.tie:
                return mate
        return None

    # -- errors ----------------------------------------------------------------------------------

    def _fail(self, missing: list[str], unexpected: list[str], errors: list[str]) -> None:
        report = "\n\t".join([*errors, *self._hints(missing, unexpected)])
        name = type(self.model).__name__
        raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t{report}")

    def _hints(self, missing: list[str], unexpected: list[str]) -> Iterator[str]:
        given = {name: self.checkpoint.infos[old].shape for name, old in self._tensors()}
        wanted = {n: tuple(t.shape) for n, t in self.members.items() if isinstance(t, Tensor)}
        repaired = repair_names(self.names, self.members) if missing else {}
        if repaired:
            yield f"With repair=True: {describe_repairs(repaired)}."
        elif missing and self.checkpoint.nested:
            yield f"The weights may be one level down: {describe_keys(self.checkpoint)}; give key=."
        left = [name for name in unexpected if name not in repaired]
        open_ = [name for name in missing if name not in repaired.values()]
        for name, close in close_names(open_, left, wanted, given).items():
            yield f'Did you mean "{name}" by "{close}", which the file has?'
        for name, shape in given.items():
            order = transposition(shape, wanted.get(name, shape))
            if order is not None:
                yield (
                    f'"{name}" would fit transposed: permute{order} of the file\'s {shape} is '
                    f"the model's {wanted[name]}."
                )

    def _tensors(self) -> Iterator[tuple[str, str]]:
        return ((n, old) for n, old in self.names.items() if old in self.checkpoint.infos)


class _Ref(NamedTuple):
    """A value that is read when it is asked for."""

    read: Callable[[str], Any]
    name: str


class LazyState(MutableMapping):
    """What a module's loading sees as the `state_dict`: each lookup reads, and nothing is kept."""

    def __init__(self, entries: dict[str, Any], versions: dict[str, dict] | None) -> None:
        self._entries = entries
        self._metadata = versions

    def below(self, prefix: str) -> LazyState:
        """The entries under `prefix`, unread, as a mapping of their own."""
        part = {name: value for name, value in self._entries.items() if name.startswith(prefix)}
        return LazyState(part, self._metadata)

    def __getitem__(self, name: str) -> Any:
        value = self._entries[name]
        return value.read(value.name) if isinstance(value, _Ref) else value

    def __setitem__(self, name: str, value: Any) -> None:
        self._entries[name] = value

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def copy(self) -> LazyState:
        """A mapping that can be changed by itself; unread entries stay unread."""
        return LazyState(dict(self._entries), self._metadata)


def _tied(members: dict[str, Any]) -> dict[str, list[str]]:
    """For each name of a tensor that has several, all of them in the model's order."""
    groups: dict[Any, list[str]] = {}
    for name, member in members.items():
        if isinstance(member, Tensor):
            identity = (id(member._cell.root), member._layout, tuple(member.shape))
            groups.setdefault(identity, []).append(name)
    return {name: names for names in groups.values() if len(names) > 1 for name in names}
