"""Names that nearly match: prefixes that wrappers add, slips of spelling, transposed shapes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

# What DataParallel, torch.compile and Hugging Face's task heads put before a name.
PREFIXES = ("module.", "_orig_mod.", "model.")
_CLOSE = 0.75
_MOST = 20
_MOST_CANDIDATES = 2000

Shape = tuple[int, ...]


def bare(name: str, prefixes: Sequence[str] = PREFIXES) -> str:
    """`name` without any of `prefixes` before it, however many there are.

    `torch.compile` wraps inner modules too, so its prefix is dropped wherever it stands.
    """
    if "_orig_mod." in prefixes:
        name = name.replace("._orig_mod.", ".")
    while True:
        found = next((p for p in prefixes if name.startswith(p) and len(name) > len(p)), None)
        if found is None:
            return name
        name = name[len(found) :]


def repair_names(
    names: Iterable[str], wanted: Iterable[str], prefixes: Sequence[str] = PREFIXES
) -> dict[str, str]:
    """The names in a file that are `wanted` under another prefix: from the former to the latter.

    Names that match as they are stay, and so do names whose counterpart is not unique.
    """
    names, wanted = list(names), list(wanted)
    present = set(names)
    free = _by_bare((name for name in wanted if name not in present), prefixes)
    taken = set(wanted)
    given = _by_bare((name for name in names if name not in taken), prefixes)
    return {
        found[0]: free[key][0]
        for key, found in given.items()
        if len(found) == 1 and len(free.get(key, ())) == 1
    }


def _by_bare(names: Iterable[str], prefixes: Sequence[str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(bare(name, prefixes), []).append(name)
    return groups


def strip_prefixes(names: Sequence[str], prefixes: Sequence[str]) -> dict[str, str]:
    """The names that have one of `prefixes`, with what they are without; unless two would be one."""
    groups = _by_bare(names, prefixes)
    return {found[0]: key for key, found in groups.items() if found != [key] and len(found) == 1}


def describe_repairs(renamed: Mapping[str, str]) -> str:
    """What a repair did, one line for each prefix: "'module.' removed from 12 names"."""
    counts: dict[str, int] = {}
    for old, new in renamed.items():
        counts[_change(old, new)] = counts.get(_change(old, new), 0) + 1
    return "; ".join(f"{what} {n} name{'s' * (n != 1)}" for what, n in counts.items())


def _change(old: str, new: str) -> str:
    if old.endswith(new):
        return f"{old[: len(old) - len(new)]!r} removed from"
    if new.endswith(old):
        return f"{new[: len(new) - len(old)]!r} added to"
    return "prefixes changed in"


def close_names(
    missing: Sequence[str],
    unexpected: Sequence[str],
    wanted: Mapping[str, Shape],
    given: Mapping[str, Shape],
) -> dict[str, str]:
    """For missing names, the unexpected one most like each; one of the same shape is preferred."""
    found = {}
    for name in missing[:_MOST]:
        pool = list(unexpected[:_MOST_CANDIDATES])
        fitting = [one for one in pool if given.get(one) == wanted.get(name)]
        close = _closest(name, fitting) or _closest(name, pool)
        if close:
            found[name] = close
    return found


def _closest(name: str, pool: list[str]) -> str | None:
    return next(iter(difflib.get_close_matches(name, pool, 1, _CLOSE)), None)


def transposition(given: Shape, wanted: Shape) -> tuple[int, ...] | None:
    """The permutation that makes `given` into `wanted`, if it is a usual one between layouts."""
    rank = len(given)
    if given == wanted or rank < 2 or rank != len(wanted):
        return None
    spatial = tuple(range(rank - 2))
    usual = (
        tuple(range(rank))[::-1],
        (rank - 1, rank - 2, *spatial),  # Flax's convolution kernels: spatial, in, out
        (rank - 2, rank - 1, *spatial),  # its transposed convolutions
        (1, 0, *range(2, rank)),
        (*spatial, rank - 1, rank - 2),
    )
    return next((p for p in usual if tuple(given[i] for i in p) == wanted), None)
