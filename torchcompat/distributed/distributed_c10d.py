"""`torch.distributed.distributed_c10d`: the same names."""

from __future__ import annotations

from torchcompat.distributed._single import *  # noqa: F403


def _get_default_group() -> None:
    """Raises torch's ValueError: there is no process group."""
    raise ValueError(
        "Default process group has not been initialized, please make sure to call init_process_group."
    )


def _rank_not_in_group(group: object) -> bool:
    """False for the default group, of which this process is the only member."""
    return group is not None
