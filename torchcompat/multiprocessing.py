"""`torch.multiprocessing`: Python's own, with torch's settings of how tensors are shared."""

from __future__ import annotations

import multiprocessing as _own
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from typing import Any

_strategy = ["file_descriptor"]
_STRATEGIES = {"file_descriptor", "file_system"}


def get_all_sharing_strategies() -> set[str]:
    """The names torch knows."""
    return set(_STRATEGIES)


def get_sharing_strategy() -> str:
    """The name that was set. Tensors are copied between processes, not shared."""
    return _strategy[0]


def set_sharing_strategy(new_strategy: str) -> None:
    """Sets the name.

    Raises:
        AssertionError: torch knows no such strategy.
    """
    if new_strategy not in _STRATEGIES:
        raise AssertionError(
            f"Unknown sharing strategy: {new_strategy}. Supported strategies: {_STRATEGIES}"
        )
    _strategy[0] = new_strategy


class ProcessException(Exception):
    """A process that `spawn` started failed."""

    def __init__(self, msg: str, error_index: int, error_pid: int | None) -> None:
        super().__init__(msg)
        self.error_index, self.pid = error_index, error_pid


class ProcessExitedException(ProcessException):
    """A process ended with an exit code other than 0."""

    def __init__(self, msg: str, error_index: int, error_pid: int | None, exit_code: int) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code


class ProcessContext:
    """The processes that `spawn` started."""

    def __init__(self, processes: list[Any]) -> None:
        self.processes = processes

    def pids(self) -> list[int | None]:
        """Their numbers."""
        return [one.pid for one in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Waits for all; returns whether all have ended.

        Raises:
            ProcessExitedException: one failed; the others are ended.
        """
        for i, one in enumerate(self.processes):
            one.join(timeout)
            if one.exitcode not in (None, 0):
                for other in self.processes:
                    if other.is_alive():
                        other.terminate()
                message = f"process {i} terminated with exit code {one.exitcode}"
                raise ProcessExitedException(message, i, one.pid, one.exitcode)
        return all(one.exitcode is not None for one in self.processes)


SpawnContext = ProcessContext


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Runs `fn(i, *args)` in `nprocs` processes; waits for them unless `join` is False."""
    context: Any = _own.get_context(start_method)
    made = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for one in made:
        one.start()
    started = ProcessContext(made)
    if not join:
        return started
    while not started.join():
        continue
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`start_processes` by spawning."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)
