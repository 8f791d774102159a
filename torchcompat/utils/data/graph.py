"""The pipes that a pipe is made of."""

from __future__ import annotations

from typing import Any

from torchcompat.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe

__all__ = ["traverse", "traverse_dps"]
PIPES = (IterDataPipe, MapDataPipe)


def traverse_dps(datapipe: Any) -> dict[int, tuple[Any, dict]]:
    """The pipe by its `id`, with the graph of the pipes that it holds.

    Raises:
        RuntimeError: it is no pipe.
    """
    if not isinstance(datapipe, PIPES):
        raise RuntimeError(
            f"Expected `IterDataPipe` or `MapDataPipe`, but {type(datapipe)} is found"
        )
    return _traversed(datapipe, set())


def traverse(datapipe: Any, only_datapipe: bool | None = None) -> dict[int, tuple[Any, dict]]:
    """`traverse_dps`.

    Args:
        only_datapipe: accepted; pipes are looked for in attributes and the containers in them.
    """
    return traverse_dps(datapipe)


def _traversed(datapipe: Any, above: set[int]) -> dict[int, tuple[Any, dict]]:
    if id(datapipe) in above:
        return {}
    inner: dict[int, tuple[Any, dict]] = {}
    for one in _within(list(vars(datapipe).values())):
        inner |= _traversed(one, above | {id(datapipe)})
    return {id(datapipe): (datapipe, inner)}


def _within(x: Any) -> list:
    """The pipes in nested containers."""
    if isinstance(x, PIPES):
        return [x]
    if isinstance(x, dict):
        x = [*x.values()]
    if isinstance(x, (list, tuple, set)):
        return [pipe for one in x for pipe in _within(one)]
    return []
