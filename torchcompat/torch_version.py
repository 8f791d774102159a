"""`TorchVersion`: a version string that compares by its numbers."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import Any

__all__ = ["TorchVersion"]

_FORM = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<kind>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<number>\d*))?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?(?P<post>\d*))?"
    r"(?:[-_.]?dev[-_.]?(?P<dev>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.IGNORECASE,
)
_KINDS = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
_LAST = "~"


def _key(text: str) -> tuple:
    """What versions are ordered by, as the Python packaging specification has it.

    Raises:
        ValueError: the text is no version.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"Invalid version: '{text}'")
    release = [int(n) for n in found["release"].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    kind = (found["kind"] or "").lower()
    before: tuple = (_KINDS.get(kind, kind), int(found["number"] or 0)) if kind else (_LAST, 0)
    if not kind and found["post"] is None and found["dev"] is not None:
        before = ("", 0)
    post = -1 if found["post"] is None else int(found["post"] or 0)
    dev = float("inf") if found["dev"] is None else int(found["dev"] or 0)
    local = re.split(r"[-_.]", found["local"]) if found["local"] else []
    parts = tuple((1, int(p), "") if p.isdigit() else (0, 0, p.lower()) for p in local)
    return tuple(release), before, post, dev, parts


def _text(other: Any) -> str:
    if isinstance(other, str):
        return other
    if isinstance(other, Iterable):
        return ".".join(str(part) for part in other)
    return str(other)


@functools.total_ordering
class TorchVersion(str):
    """A string that compares with versions, strings and tuples by version order.

    Example:
        >>> TorchVersion("2.13.0+torchcompat") > (2, 9)
        True
    """

    def _order(self, other: Any) -> tuple[Any, Any]:
        try:
            return _key(self), _key(_text(other))
        except ValueError:  # no version: compared as the strings they are
            return str(self), _text(other)

    def __eq__(self, other: object) -> bool:
        mine, others = self._order(other)
        return mine == others

    def __lt__(self, other: Any) -> bool:
        mine, others = self._order(other)
        return mine < others

    def __gt__(self, other: Any) -> bool:
        mine, others = self._order(other)
        return mine > others

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    __hash__ = str.__hash__
