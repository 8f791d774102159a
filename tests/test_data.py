"""torch.utils.data under both libraries: datasets, samplers, loaders, batches and error texts."""

import collections
import warnings

import numpy as np
import pytest
import torch
import torch.utils.data

import torchcompat
import torchcompat.utils.data
from tests._ported import WHOLE

LIBRARIES = (torch, torchcompat)
Pair = collections.namedtuple("Pair", "x y")


def plain(value):
    """Tensors as lists with their dtype, containers by their type."""
    if isinstance(value, (torch.Tensor, torchcompat.Tensor)):
        return str(value.dtype).split(".")[-1], value.tolist()
    if isinstance(value, np.ndarray):
        return "numpy", value.tolist()
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(one) for one in value]
    return value


def both(run):
    results = []
    for lib in LIBRARIES:
        lib.manual_seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(plain(run(lib, lib.utils.data)))
    assert results[0] == results[1]
    return results[1]


def rows(t, n=7):
    return t.arange(n * 2).reshape(n, 2)


def counted(d, n=7, step=1):
    class Counted(d.IterableDataset):
        def __iter__(self):
            return iter(range(0, n, step))

        def __len__(self):
            return n

    return Counted()


RUNS = {
    "in order": lambda t, d: list(d.DataLoader(d.TensorDataset(rows(t)), batch_size=3)),
    "shuffled": lambda t, d: list(d.DataLoader(range(10), batch_size=4, shuffle=True)),
    "two passes": lambda t, d: [list(x) for x in [d.DataLoader(range(6), shuffle=True)] * 2],
    "generator": lambda t, d: list(
        d.DataLoader(range(10), 3, shuffle=True, generator=t.Generator().manual_seed(5))
    ),
    "what is drawn afterwards": lambda t, d: (
        list(d.DataLoader(range(4), shuffle=True)),
        t.rand(2),
    ),
    "last dropped": lambda t, d: list(d.DataLoader(range(7), 3, drop_last=True)),
    "no batches": lambda t, d: list(d.DataLoader(d.TensorDataset(rows(t)), batch_size=None)),
    "batch sampler": lambda t, d: list(d.DataLoader(range(6), batch_sampler=[[0, 5], [2]])),
    "with replacement": lambda t, d: list(
        d.DataLoader(
            range(9), sampler=d.RandomSampler(range(9), True, num_samples=40), batch_size=40
        )
    ),
    "more than there are": lambda t, d: list(d.RandomSampler(range(5), num_samples=13)),
    "some of them": lambda t, d: list(d.SubsetRandomSampler([3, 5, 9])),
    "weighted": lambda t, d: list(d.WeightedRandomSampler([0.1, 5.0, 2.0], 12)),
    "weighted without": lambda t, d: list(d.WeightedRandomSampler([0.1, 5.0, 2.0], 2, False)),
    "batches": lambda t, d: [list(d.BatchSampler(range(7), 3, last)) for last in (True, False)],
    "lengths of samplers": lambda t, d: [
        len(d.BatchSampler(range(7), 3, last)) for last in (True, False)
    ],
    "dealt out": lambda t, d: [
        list(d.DistributedSampler(range(7), 3, r, seed=2, drop_last=last))
        for r in range(3)
        for last in (True, False)
    ],
    "dealt out anew": lambda t, d: [
        (s.set_epoch(4), list(s)) for s in [d.DistributedSampler(range(7), 2, 1)]
    ],
    "dealt out in order": lambda t, d: list(d.DistributedSampler(range(2), 5, 4, shuffle=False)),
    "iterable": lambda t, d: list(d.DataLoader(counted(d), batch_size=3)),
    "iterable dropped": lambda t, d: list(d.DataLoader(counted(d), batch_size=3, drop_last=True)),
    "iterable alone": lambda t, d: list(d.DataLoader(counted(d), batch_size=None)),
    "lengths": lambda t, d: [
        len(d.DataLoader(data, 3, drop_last=last))
        for data in (range(7), counted(d))
        for last in (True, False)
    ],
    "split": lambda t, d: [s.indices for s in d.random_split(range(10), [7, 3])],
    "split by fractions": lambda t, d: [
        s.indices for s in d.random_split(range(10), [0.5, 0.25, 0.25])
    ],
    "split into nothing": lambda t, d: [s.indices for s in d.random_split(range(3), [1.0, 0.0])],
    "joined": lambda t, d: [d.ConcatDataset([range(3), range(5, 7)])[i] for i in (0, 3, -1)],
    "added": lambda t, d: list(d.TensorDataset(rows(t)) + d.TensorDataset(rows(t, 1)))[-2:],
    "chained": lambda t, d: list(counted(d, 2) + counted(d, 3)),
    "stacked": lambda t, d: list(d.DataLoader(d.StackDataset(range(4), a_list(t)), 2)),
    "stacked by name": lambda t, d: list(d.DataLoader(d.StackDataset(a=range(4), b=a_list(t)), 2)),
    "subset": lambda t, d: list(d.DataLoader(d.Subset(d.TensorDataset(rows(t)), [4, 1]), 2)),
    "containers": lambda t, d: d.default_collate(
        [
            {"a": Pair(1, [2.0, "s"]), "b": (t.ones(2), b"x")},
            {"a": Pair(3, [4.0, "t"]), "b": (t.zeros(2), b"y")},
        ]
    ),
    "numpy": lambda t, d: d.default_collate(
        [(np.float32(1), np.ones(2), np.array(3)), (np.float32(2), np.zeros(2), np.array(4))]
    ),
    "kinds": lambda t, d: [d.default_collate([True, False]), d.default_collate([1.5, 2])],
    "converted": lambda t, d: d.default_convert(
        [np.ones(2), 1, "a", {"x": np.zeros(1)}, (np.int32(3),)]
    ),
    "seeds for NumPy": lambda t, d: [
        d._utils.worker._generate_state(seed, i) for seed in (1, 2**63 - 1) for i in (0, 3)
    ],
    "own collate": lambda t, d: list(d.DataLoader(range(4), 2, collate_fn=lambda b: sum(b))),
    "own map": lambda t, d: t.utils.data._utils.collate.collate(
        [3, 4], collate_fn_map={int: lambda b, *, collate_fn_map=None: max(b)}
    ),
}


def a_list(t):
    return [t.tensor(float(i)) for i in range(4)]


@pytest.mark.parametrize("name", RUNS)
def test_the_same_samples(name):
    both(RUNS[name])


ERRORS = {
    "workers": lambda t, d: d.DataLoader(range(3), num_workers=-1),
    "timeout": lambda t, d: d.DataLoader(range(3), timeout=-1),
    "prefetch": lambda t, d: d.DataLoader(range(3), prefetch_factor=2),
    "prefetch below": lambda t, d: d.DataLoader(range(3), num_workers=1, prefetch_factor=-1),
    "persistent": lambda t, d: d.DataLoader(range(3), persistent_workers=True),
    "iterable shuffle": lambda t, d: d.DataLoader(counted(d), shuffle=True),
    "iterable sampler": lambda t, d: d.DataLoader(counted(d), sampler=[1]),
    "iterable batches": lambda t, d: d.DataLoader(counted(d), batch_sampler=[[1]]),
    "two orders": lambda t, d: d.DataLoader(range(3), sampler=[1], shuffle=True),
    "two batchings": lambda t, d: d.DataLoader(range(3), batch_sampler=[[1]], shuffle=True),
    "nothing to drop": lambda t, d: d.DataLoader(range(3), batch_size=None, drop_last=True),
    "context": lambda t, d: d.DataLoader(range(3), multiprocessing_context="fork"),
    "context name": lambda t, d: d.DataLoader(range(3), num_workers=1, multiprocessing_context="x"),
    "context type": lambda t, d: d.DataLoader(range(3), num_workers=1, multiprocessing_context=3),
    "batch size": lambda t, d: d.DataLoader(range(3), batch_size=0),
    "set later": lambda t, d: setattr(d.DataLoader(range(3)), "batch_size", 3),
    "replacement": lambda t, d: d.RandomSampler(range(3), replacement=1),
    "num_samples": lambda t, d: d.RandomSampler(range(3), num_samples=0),
    "weights": lambda t, d: d.WeightedRandomSampler([[1.0]], 2),
    "weighted none": lambda t, d: d.WeightedRandomSampler([1.0], 0),
    "weighted flag": lambda t, d: d.WeightedRandomSampler([1.0], 1, 3),
    "batch flag": lambda t, d: d.BatchSampler([1], 1, 3),
    "split": lambda t, d: d.random_split(range(5), [1, 2]),
    "fractions": lambda t, d: d.random_split(range(5), [1.5, -0.5]),
    "sizes": lambda t, d: d.TensorDataset(t.ones(2), t.ones(3)),
    "stack none": lambda t, d: d.StackDataset(),
    "stack sizes": lambda t, d: d.StackDataset(range(3), range(4)),
    "stack both": lambda t, d: d.StackDataset(range(3), a=range(3)),
    "concat none": lambda t, d: d.ConcatDataset([]),
    "concat iterable": lambda t, d: d.ConcatDataset([counted(d)]),
    "concat beyond": lambda t, d: d.ConcatDataset([range(3)])[-4],
    "chain": lambda t, d: len(d.ChainDataset([range(3)])),
    "collate": lambda t, d: d.default_collate([object()]),
    "collate text": lambda t, d: d.default_collate([np.array(["a"])]),
    "collate lengths": lambda t, d: d.default_collate([[1, 2], [1]]),
    "getitem": lambda t, d: d.Dataset()[0],
    "ranks": lambda t, d: d.DistributedSampler(range(3), 2, 2),
    "no group": lambda t, d: d.DistributedSampler(range(3)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_torchs(name):
    found = []
    for lib in LIBRARIES:
        with pytest.raises(Exception) as caught:
            ERRORS[name](lib, lib.utils.data)
        found.append((caught.type, str(caught.value)))
    assert found[0] == found[1]


data = torchcompat.utils.data


class Squares(data.Dataset):
    """Fails at 13."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        if i == 13:
            raise KeyError("unlucky")
        return i * i


class Share(data.IterableDataset):
    """Every worker its own share, as torch's documentation has it."""

    def __init__(self, n):
        self.first, self.n = 0, n

    def __iter__(self):
        info = data.get_worker_info()
        return iter(range(self.first + info.id, self.n, info.num_workers))


def shift(worker):
    data.get_worker_info().dataset.first = 100 * worker


CONTEXTS = [None, "spawn"] if WHOLE else [None]


@pytest.mark.parametrize("context", CONTEXTS)
def test_workers_give_what_one_thread_gives(context):
    options = {"batch_size": 3, "shuffle": True}
    torchcompat.manual_seed(0)
    alone = [b.tolist() for b in data.DataLoader(Squares(11), **options)]
    torchcompat.manual_seed(0)
    loader = data.DataLoader(Squares(11), num_workers=2, multiprocessing_context=context, **options)
    assert [b.tolist() for b in loader] == alone


def test_workers_that_are_kept():
    loader = data.DataLoader(
        Squares(6), 2, num_workers=2, persistent_workers=True, prefetch_factor=3
    )
    first = [b.tolist() for b in loader]
    next(iter(loader))  # a pass that is left before its end
    workers = loader._iterator._pool.workers
    assert [b.tolist() for b in loader] == first == [[0, 1], [4, 9], [16, 25]]
    assert loader._iterator._pool.workers is workers


def test_an_iterable_dataset_is_shared_out():
    loader = data.DataLoader(Share(8), batch_size=2, num_workers=2)
    assert [b.tolist() for b in loader] == [[0, 2], [1, 3], [4, 6], [5, 7]]
    assert data.get_worker_info() is None
    dataset = Share(102)
    loader = data.DataLoader(dataset, batch_size=None, num_workers=2, worker_init_fn=shift)
    assert sorted(loader)[-1] == 101 and dataset.first == 0


def test_an_error_of_a_worker_reaches_the_loop():
    loader = data.DataLoader(Squares(15), batch_size=4, num_workers=2)
    with pytest.raises(KeyError, match="Caught KeyError in DataLoader worker thread 1") as caught:
        list(loader)
    assert "unlucky" in str(caught.value) and "__getitem__" in str(caught.value)


def test_out_of_order():
    loader = data.DataLoader(Squares(9), batch_size=1, num_workers=3, in_order=False)
    assert sorted(int(b) for b in loader) == [i * i for i in range(9)]


def test_prefetching_to_a_device():
    loader = data.DataLoader(data.TensorDataset(rows(torchcompat)), batch_size=2)
    moved = list(data.prefetch_to_device(loader, "cpu"))
    assert [plain(b) for b in moved] == [plain(b) for b in loader]


def own_numbers(library):
    class Drawing(library.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return library.rand(2), library.initial_seed()

    library.manual_seed(0)
    pairs = list(library.utils.data.DataLoader(Drawing(), num_workers=2))
    return [(x.tolist(), seed.tolist()) for x, seed in pairs], library.rand(1).tolist()


@pytest.mark.filterwarnings("ignore:os.fork")
def test_workers_draw_torchs_numbers():
    """Threads here, processes there: each worker has the stream of its seed."""
    assert own_numbers(torchcompat) == own_numbers(torch)
