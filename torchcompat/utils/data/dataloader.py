"""`DataLoader`: batches of a dataset, in torch's order under the same seed."""

from __future__ import annotations

import copy
import functools
import itertools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import torchcompat
from torchcompat import Tensor
from torchcompat._tensor._dispatch import map_nested
from torchcompat.utils.data import _utils
from torchcompat.utils.data._utils.collate import default_collate, default_convert
from torchcompat.utils.data._utils.fetch import IterableFetcher, MapFetcher
from torchcompat.utils.data._utils.worker import (
    Ended,
    Failure,
    Job,
    Pool,
    Restart,
    WorkerInfo,
    get_worker_info,
)
from torchcompat.utils.data.datapipes._seeds import drawn_seed
from torchcompat.utils.data.datapipes.datapipe import IterDataPipe, MapDataPipe
from torchcompat.utils.data.dataset import Dataset, IterableDataset
from torchcompat.utils.data.graph_settings import (
    apply_random_seed,
    apply_sharding,
    apply_shuffle_settings,
)
from torchcompat.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]
_ALSO = (_utils,)
T_co = TypeVar("T_co", covariant=True)


class _DatasetKind:
    Map = 0
    Iterable = 1


class _Endless(Sampler):
    """The sampler of an iterable dataset: how often it is asked is all that counts."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


class DataLoader(Generic[T_co]):
    """Batches of a dataset.

    Args:
        dataset: samples by index, or an `IterableDataset`.
        batch_size: samples a batch; None gives samples as they are.
        shuffle: visit the samples in random order, a new one in each pass.
        sampler, batch_sampler: give the indices, or the lists of them, instead.
        num_workers: how many workers fetch batches ahead; 0 fetches in the calling thread.
        collate_fn: makes a batch of a list of samples.
        pin_memory, pin_memory_device: accepted; JAX copies to devices asynchronously from any memory.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a worker; 0 waits for ever.
        worker_init_fn: called with its number in each worker.
        multiprocessing_context: "spawn", "forkserver", "fork" or a context: workers are processes.
            Left out, they are threads, each with its own shallow copy of the dataset: JAX does not
            bear a fork. Each has torch's random stream of its seed; Python's and NumPy's are shared.
        generator: draws the seeds of samplers and workers.
        prefetch_factor: batches that each worker fetches ahead; 2 by default.
        persistent_workers: keep the workers between passes.
        in_order: give batches in order even if later ones are ready.

    Raises:
        ValueError: options that exclude each other, or are out of range.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if isinstance(dataset, (IterDataPipe, MapDataPipe)):
            apply_shuffle_settings(
                dataset, shuffle
            )  # of a pipe without a shuffler nothing is shuffled
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            pipe = isinstance(dataset, IterDataPipe)
            _refuse_order(None if pipe else shuffle, sampler, batch_sampler)
            shuffle = False
        else:
            self._dataset_kind = _DatasetKind.Map
            shuffle = bool(shuffle)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size, drop_last = None, False
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            sampler = self._default_sampler(shuffle, generator)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self._iterator: Any = None
        self.__initialized = True

    __initialized = False
    _FIXED = (
        "batch_size",
        "batch_sampler",
        "sampler",
        "drop_last",
        "dataset",
        "persistent_workers",
    )

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__initialized and name in self._FIXED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def _default_sampler(self, shuffle: bool | None, generator: Any) -> Sampler:
        if self._dataset_kind == _DatasetKind.Iterable:
            return _Endless()
        dataset: Any = self.dataset
        return (
            RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        )

    @property
    def multiprocessing_context(self) -> Any:
        """The context that makes worker processes, or None: workers are threads."""
        return self.__context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        self.__context = None if context is None else _context(context, self.num_workers)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def _make_fetcher(self) -> Callable[[Any], Any]:
        kind = IterableFetcher if self._dataset_kind == _DatasetKind.Iterable else MapFetcher
        return functools.partial(
            kind,
            auto_collation=self._auto_collation,
            collate_fn=self.collate_fn,
            drop_last=self.drop_last,
        )

    def _get_iterator(self) -> Any:
        alone = self.num_workers == 0
        return (_SingleProcessDataLoaderIter if alone else _MultiProcessingDataLoaderIter)(self)

    def __iter__(self) -> Any:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None:
            self._iterator = self._get_iterator()
        else:
            self._iterator.restart()
        return self._iterator

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Nothing: the number of workers is the caller's choice."""


def _check_workers(number: int, timeout: float, prefetch: int | None, persistent: bool) -> None:
    if number < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if number == 0 and prefetch is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch is not None and prefetch < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and number == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _refuse_order(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"sampler": sampler, "batch_sampler": batch_sampler}
    if shuffle not in (False, None):
        given = {"shuffle": shuffle}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )


def _context(context: Any, workers: int) -> Any:
    if workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={workers}"
        )
    if isinstance(context, str):
        valid = multiprocessing.get_all_start_methods()
        if context not in valid:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{valid!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, multiprocessing.context.BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string specifying "
            f"the start method, but got multiprocessing_context={context}"
        )
    return context


def _seed_pipe(pipe: Any, seed: int) -> None:
    apply_random_seed(pipe, torchcompat.Generator().manual_seed(seed))


def _begin_pipe(init: Callable | None, seed: int, worker: int) -> None:
    """Prepares a worker's own pipe: every worker shuffles alike and keeps its share of the samples."""
    info: Any = get_worker_info()
    _seed_pipe(info.dataset, seed)
    apply_sharding(info.dataset, info.num_workers, worker)
    if init is not None:
        init(worker)


class _BaseDataLoaderIter:
    """One pass over a loader's batches."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        self._dataset_kind, self._num_workers = loader._dataset_kind, loader.num_workers
        self._begin()

    def _begin(self) -> None:
        loader = self._loader
        self._indices = iter(loader._index_sampler)
        self._shared_seed = None
        if isinstance(loader.dataset, IterDataPipe):
            self._shared_seed = drawn_seed(loader.generator)
            _seed_pipe(loader.dataset, self._shared_seed)
        self._base_seed = drawn_seed(loader.generator)

    def __iter__(self) -> _BaseDataLoaderIter:
        return self

    def __next__(self) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._loader._index_sampler)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Fetches each batch when it is asked for."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        self._fetcher = loader._make_fetcher()(loader.dataset)

    def __next__(self) -> Any:
        return self._fetcher.fetch(next(self._indices))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Has workers fetch batches ahead, in turn."""

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        count = loader.num_workers
        make = loader._make_fetcher()
        process = loader.multiprocessing_context is not None
        datasets: list[Any] = [loader.dataset] * count
        init = loader.worker_init_fn
        if self._shared_seed is not None:
            datasets = [copy.deepcopy(one) for one in datasets]
            init = functools.partial(_begin_pipe, init, self._shared_seed)
        infos = [WorkerInfo(i, count, self._base_seed + i, one) for i, one in enumerate(datasets)]
        jobs = [Job(make, info, init, process) for info in infos]
        self._pool = Pool(jobs, loader.multiprocessing_context)
        self._fill()

    def _fill(self) -> None:
        count = self._loader.num_workers
        self._sent = self._given = 0
        self._ready: dict[int, Any] = {}
        self._active = [True] * count
        self._turn = itertools.cycle(range(count))
        self._owner: dict[int, int] = {}
        for _ in range((self._loader.prefetch_factor or 1) * count):
            self._send()

    def restart(self) -> None:
        """Begins a new pass with the same workers."""
        while self._owner.keys() - self._ready.keys():  # what the last pass left on its way
            self._take()
        self._begin()
        for i, indices in enumerate(self._pool.indices):
            indices.put((-1 - i, Restart(self._base_seed)))
        for _ in self._pool.indices:
            _, answer = self._pool.get(self._loader.timeout)
            if isinstance(answer, Failure):
                answer.reraise()
        self._fill()

    def _send(self) -> None:
        """Sends the next index to the next worker that still has samples."""
        if not any(self._active):
            return
        index = next(self._indices, self)
        if index is self:
            return
        worker = next(i for i in self._turn if self._active[i])
        self._owner[self._sent] = worker
        self._pool.indices[worker].put((self._sent, index))
        self._sent += 1

    def _take(self) -> int:
        number, batch = self._pool.get(self._loader.timeout)
        self._ready[number] = batch
        return number

    def __next__(self) -> Any:
        while self._owner:
            number = min(self._owner) if self._loader.in_order else self._any()
            while number not in self._ready:
                self._take()
            worker = self._owner.pop(number)
            batch = self._ready.pop(number)
            if isinstance(batch, Ended):
                self._active[worker] = False
                self._send()
                continue
            self._send()
            if isinstance(batch, Failure):
                batch.reraise()
            return batch
        if not self._loader.persistent_workers:
            self._pool.close()
        raise StopIteration

    def _any(self) -> int:
        return next(iter(self._ready)) if self._ready else self._take()

    def __del__(self) -> None:
        pool = getattr(self, "_pool", None)
        if pool is not None:
            pool.close()


def prefetch_to_device(batches: Iterable, device: Any, size: int = 2) -> Iterator:
    """Goes through `batches` with `size` of them already on their way to `device`.

    Torch has no such function: it is what a `DataLoader` with `pin_memory` and
    `to(device, non_blocking=True)` come to there.
    """
    source = iter(batches)
    waiting: deque = deque()

    def move(x: Any) -> Any:
        return x.to(device) if isinstance(x, Tensor) else x

    for batch in itertools.islice(source, size):
        waiting.append(map_nested(move, batch))
    while waiting:
        yield waiting.popleft()
        for batch in itertools.islice(source, 1):
            waiting.append(map_nested(move, batch))
