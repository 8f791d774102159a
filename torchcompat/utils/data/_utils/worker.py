"""Workers: threads or processes that fetch batches ahead of the loop that uses them."""

from __future__ import annotations

import copy
import dataclasses
import queue
import random
import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

import torchcompat
from torchcompat import _random

# Seconds between looks whether the workers that are waited for are alive.
MP_STATUS_CHECK_INTERVAL = 5.0
_local = threading.local()


@dataclasses.dataclass
class WorkerInfo:
    """What a worker knows of itself.

    Attributes:
        id: its number, from 0.
        num_workers: how many there are.
        seed: its own seed, the loader's base seed plus `id`.
        dataset: its own copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """The worker that the calling code runs in, or None in the main thread."""
    return getattr(_local, "info", None)


class Failure:
    """An exception of a worker, on its way to the loop that waits for the batch."""

    def __init__(self, error: BaseException, where: str) -> None:
        self.kind = type(error)
        self.text = "".join(traceback.format_exception(error))
        self.where = where

    def reraise(self) -> None:
        """Raises an exception of the same type, with the worker's traceback in its text."""
        text = f"Caught {self.kind.__name__} {self.where}.\nOriginal {self.text}"
        if self.kind is KeyError:
            text = _Shown(text)  # a KeyError shows the repr of its text
        try:
            error = self.kind(text)
        except Exception:
            raise RuntimeError(text) from None
        raise error


class _Shown(str):
    def __repr__(self) -> str:
        return str(self)


@dataclasses.dataclass
class Ended:
    """A worker's iterable dataset has no more samples."""

    worker: int


@dataclasses.dataclass
class Restart:
    """A new pass begins for a worker that is kept."""

    seed: int


@dataclasses.dataclass
class Job:
    """What one worker needs to know; a process gets it pickled."""

    make_fetcher: Callable
    info: WorkerInfo
    init: Callable[[int], Any] | None
    process: bool


def run(job: Job, indices: Any, results: Any) -> None:
    """Fetches batches until None comes in: takes `(number, index)`, gives `(number, batch)`."""
    info = job.info
    info.dataset = info.dataset if job.process else copy.copy(info.dataset)
    _local.info = info
    fetcher, failure = None, None
    where = f"in DataLoader worker {'process' if job.process else 'thread'} {info.id}"
    try:
        _seed(info, job.process)
        if job.init is not None:
            job.init(info.id)
        fetcher = job.make_fetcher(info.dataset)
    except Exception as error:
        failure = Failure(error, where)
    while (task := indices.get()) is not None:
        number, index = task
        if isinstance(index, Restart):
            info.seed = index.seed + info.id
            fetcher, failure = _guarded(lambda: job.make_fetcher(info.dataset), where)
            results.put((number, failure or index))
            continue
        results.put((number, failure or _fetched(fetcher, index, info.id, where)))
        failure = None


def _guarded(make: Callable, where: str) -> tuple[Any, Failure | None]:
    try:
        return make(), None
    except Exception as error:
        return None, Failure(error, where)


def _fetched(fetcher: Any, index: Any, worker: int, where: str) -> Any:
    try:
        return fetcher.fetch(index)
    except StopIteration:
        return Ended(worker)
    except Exception as error:
        return Failure(error, where)


def _seed(info: WorkerInfo, process: bool) -> None:
    """Starts a worker's random numbers; Python's and NumPy's own are one stream for all threads."""
    if process:
        random.seed(info.seed)
        torchcompat.manual_seed(info.seed)
        np.random.seed(_generate_state(info.seed - info.id, info.id))
    else:
        _random.start_own_stream(info.seed)


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """Four 32-bit seeds for NumPy's generator of one worker."""
    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(entropy).generate_state(4).tolist()


class Pool:
    """The workers of one loader.

    Args:
        jobs: one a worker.
        context: a multiprocessing context, or None for threads.
    """

    def __init__(self, jobs: list[Job], context: Any) -> None:
        make_queue = queue.Queue if context is None else context.Queue
        make_worker = threading.Thread if context is None else context.Process
        self.results: Any = make_queue()
        self.indices: list[Any] = [make_queue() for _ in jobs]
        self.workers: list[Any] = [
            make_worker(target=run, args=(job, indices, self.results), daemon=True)
            for job, indices in zip(jobs, self.indices)
        ]
        for worker in self.workers:
            worker.start()

    def get(self, timeout: float) -> tuple[Any, Any]:
        """The next result.

        Raises:
            RuntimeError: nothing came within `timeout` seconds (0: no limit), or a process died.
        """
        waited = 0.0
        while True:
            step = MP_STATUS_CHECK_INTERVAL
            if timeout > 0:
                step = min(timeout - waited, step)
            try:
                return self.results.get(timeout=step)
            except queue.Empty:
                waited += step
            dead = [w for w in self.workers if not w.is_alive()]
            if dead:
                ids = ", ".join(str(getattr(w, "pid", w.name)) for w in dead)
                raise RuntimeError(f"DataLoader worker (pid(s) {ids}) exited unexpectedly")
            if 0 < timeout <= waited:
                raise RuntimeError(f"DataLoader timed out after {timeout:g} seconds")

    def close(self) -> None:
        """Has the workers end once they have done what they are at."""
        for indices in self.indices:
            indices.put(None)
