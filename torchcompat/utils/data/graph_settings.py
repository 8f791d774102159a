"""Settings of all pipes that a pipe is made of."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from torchcompat.utils.data.datapipes._seeds import drawn_seed
from torchcompat.utils.data.datapipes.iter.sharding import (
    SHARDING_PRIORITIES,
    ShardingFilterIterDataPipe,
)
from torchcompat.utils.data.graph import traverse_dps

__all__ = [
    "apply_random_seed",
    "apply_sharding",
    "apply_shuffle_seed",
    "apply_shuffle_settings",
    "get_all_graph_pipes",
]


def get_all_graph_pipes(graph: dict) -> list:
    """The pipes of a graph, each once."""
    found: dict[int, Any] = {}
    stack = list(graph.items())
    while stack:
        key, (pipe, inner) = stack.pop(0)
        if key not in found:
            found[key] = pipe
            stack += inner.items()
    return list(found.values())


def _pipes(datapipe: Any) -> list:
    return get_all_graph_pipes(traverse_dps(datapipe))


def apply_sharding(
    datapipe: Any,
    num_of_instances: int,
    instance_id: int,
    sharding_group: SHARDING_PRIORITIES = SHARDING_PRIORITIES.DEFAULT,
) -> Any:
    """Tells the pipes that deal samples out which of them to keep.

    Raises:
        RuntimeError: there are two of them on one way.
    """

    def visit(graph: dict, above: Any) -> None:
        for pipe, inner in graph.values():
            own = above
            if isinstance(pipe, ShardingFilterIterDataPipe):
                if above is not None:
                    raise RuntimeError(
                        "Sharding twice on a single pipeline is likely unintended and will cause data "
                        f"loss. Sharding already applied to {above} while trying to apply to {pipe}"
                    )
                own = pipe
            if hasattr(type(pipe), "apply_sharding"):
                wide = len(inspect.signature(pipe.apply_sharding).parameters) >= 3
                more = (sharding_group,) if wide else ()
                pipe.apply_sharding(num_of_instances, instance_id, *more)
            visit(inner, own)

    visit(traverse_dps(datapipe), None)
    return datapipe


def _is_shuffler(pipe: Any) -> bool:
    return all(hasattr(type(pipe), name) for name in ("set_shuffle", "set_seed"))


def apply_shuffle_settings(datapipe: Any, shuffle: bool | None = None) -> Any:
    """Turns the shuffling of all pipes on or off; None leaves them as they are.

    Where nothing shuffles and `shuffle` is true, the result is a pipe that does.
    """
    if shuffle is None:
        return datapipe
    shufflers = [pipe for pipe in _pipes(datapipe) if _is_shuffler(pipe)]
    if shuffle and not shufflers:
        warnings.warn(
            "`shuffle=True` was set, but the datapipe does not contain a `Shuffler`. Adding one at the "
            "end. Be aware that the default buffer size might not be sufficient for your task.",
            stacklevel=2,
        )
        datapipe = datapipe.shuffle()
        shufflers = [datapipe]
    for pipe in shufflers:
        pipe.set_shuffle(shuffle)
    return datapipe


def apply_shuffle_seed(datapipe: Any, rng: Any) -> Any:
    """A former name of `apply_random_seed`."""
    warnings.warn(
        "`apply_shuffle_seed` is deprecated since 1.12 and will be removed in the future releases.\n"
        "Please use `apply_random_seed` instead.",
        FutureWarning,
        stacklevel=2,
    )
    return apply_random_seed(datapipe, rng)


def apply_random_seed(datapipe: Any, rng: Any) -> Any:
    """Seeds all pipes that draw random numbers from `rng`."""
    for pipe in _pipes(datapipe):
        if hasattr(type(pipe), "set_seed"):
            pipe.set_seed(drawn_seed(rng))
    return datapipe
