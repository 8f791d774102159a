"""DataPipes under both libraries: what they give, lengths, errors, graphs, and loaders of them."""

import warnings

import pytest
import torch
import torch.utils.data

import torchcompat
import torchcompat.utils.data


def plain(x):
    if isinstance(x, (torch.Tensor, torchcompat.Tensor)):
        return x.tolist()
    if isinstance(x, (list, tuple)):
        return [type(x).__name__, *map(plain, x)]
    return x


def attempt(run):
    try:
        return plain(run())
    except Exception as error:
        return type(error).__name__, str(error).splitlines()[0]


def pairs(d):
    return d.datapipes.iter.IterableWrapper([(1, 2), (3, 4)])


# Each is called with the library, `utils.data`, a pipe of 0 to 5 and a MapDataPipe of 0 to 3.
RUNS = {
    "mapped": lambda t, d, w, m: list(w.map(lambda x: x * 2)),
    "one column": lambda t, d, w, m: list(pairs(d).map(lambda x: x * 10, input_col=1)),
    "several columns": lambda t, d, w, m: [
        list(pairs(d).map(lambda x, y: x + y, (0, 1), out)) for out in (None, 0, 1, -1, [0])
    ],
    "no column": lambda t, d, w, m: pairs(d).map(abs, None, 1),
    "no function": lambda t, d, w, m: w.map(3),
    "filtered": lambda t, d, w, m: list(w.filter(lambda x: x % 2 == 1)),
    "no length": lambda t, d, w, m: len(w.filter(bool)),
    "batches": lambda t, d, w, m: [list(w.batch(4, last)) for last in (False, True)],
    "lengths": lambda t, d, w, m: [
        len(one) for one in (w, w.map(abs), w.batch(4), w.batch(4, True), w.concat(w), m.batch(3))
    ],
    "empty batches": lambda t, d, w, m: w.batch(0),
    "unbatched": lambda t, d, w, m: [
        list(w.batch(2).batch(2).unbatch(unbatch_level=n)) for n in (1, 2, -1)
    ],
    "unbatched too far": lambda t, d, w, m: list(w.unbatch()),
    "concatenated": lambda t, d, w, m: list(w.concat(w.map(str))),
    "zipped": lambda t, d, w, m: list(w.zip(d.datapipes.iter.IterableWrapper("abc"))),
    "in turn": lambda t, d, w, m: list(w.mux(d.datapipes.iter.IterableWrapper("abc"))),
    "forked": lambda t, d, w, m: [list(one) for one in w.fork(2)],
    "forked in turn": lambda t, d, w, m: list(zip(*w.fork(3))),
    "forked too far": lambda t, d, w, m: [list(one) for one in w.fork(2, buffer_size=3)],
    "forked twice": lambda t, d, w, m: [
        (list(a), list(b), list(a), list(b)) for a, b in [w.fork(num_instances=2)]
    ],
    "dealt out": lambda t, d, w, m: [list(x) for x in w.demux(2, lambda x: x % 2)],
    "dealt out to nobody": lambda t, d, w, m: [list(x) for x in w.demux(2, lambda x: x)],
    "dealt out with none": lambda t, d, w, m: [
        list(x) for x in w.demux(2, lambda x: x if x < 2 else None, drop_none=True)
    ],
    "grouped": lambda t, d, w, m: [
        list(w.groupby(lambda x: x % 2, **more))
        for more in ({}, {"group_size": 2}, {"keep_key": True}, {"buffer_size": 3})
    ],
    "collated": lambda t, d, w, m: list(w.batch(2).collate()),
    "collated by oneself": lambda t, d, w, m: list(w.batch(2).collate(sum)),
    "sampled": lambda t, d, w, m: list(d.datapipes.iter.Sampler(w)),
    "shuffled": lambda t, d, w, m: [list(w.shuffle(buffer_size=n).set_seed(3)) for n in (2, 100)],
    "shuffled by the stream": lambda t, d, w, m: [list(w.shuffle()), list(w.shuffle())],
    "not shuffled": lambda t, d, w, m: list(w.shuffle().set_shuffle(False)),
    "shards": lambda t, d, w, m: [
        [list(p), len(p)]
        for i in range(4)
        for p in [d.graph_settings.apply_sharding(w.sharding_filter(), 4, i)]
    ],
    "shards twice": lambda t, d, w, m: d.graph_settings.apply_sharding(
        w.sharding_filter().sharding_filter(), 2, 0
    ),
    "mapped by index": lambda t, d, w, m: [m.map(str)[i] for i in range(4)],
    "batches by index": lambda t, d, w, m: list(m.batch(3)),
    "zipped by index": lambda t, d, w, m: list(m.zip(m.map(str))),
    "concatenated by index": lambda t, d, w, m: list(m.concat(m)),
    "shuffled by index": lambda t, d, w, m: list(m.shuffle().set_seed(1)),
    "names": lambda t, d, w, m: [repr(w.batch(2)), str(m.map(abs))],
    "unknown": lambda t, d, w, m: w.nope,
    "two iterators": lambda t, d, w, m: [
        (next(a), next(b), attempt(a.__next__)[0]) for a, b in [(iter(w), iter(w))]
    ],
    "graph": lambda t, d, w, m: [
        repr(p)
        for p in d.graph_settings.get_all_graph_pipes(d.graph.traverse_dps(w.zip(w.map(abs))))
    ],
    "loader": lambda t, d, w, m: list(d.DataLoader(w.map(lambda x: x * 2), batch_size=4)),
    "loader that shuffles": lambda t, d, w, m: [
        list(d.DataLoader(w.shuffle(), shuffle=on)) for on in (True, False, None)
    ],
    "loader of what cannot shuffle": lambda t, d, w, m: list(d.DataLoader(w, shuffle=True)),
    "drawn afterwards": lambda t, d, w, m: [list(d.DataLoader(w.shuffle(), 2)), t.rand(2)],
    "loader by index": lambda t, d, w, m: list(d.DataLoader(m.map(abs), 3)),
}


@pytest.mark.parametrize("name", RUNS)
def test_the_same_samples(name):
    found = []
    for t in (torch, torchcompat):
        d = t.utils.data
        pipes = d.datapipes
        t.manual_seed(3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            w, m = pipes.iter.IterableWrapper(range(6)), pipes.map.SequenceWrapper(range(4))
            found.append(attempt(lambda t=t, d=d, w=w, m=m: RUNS[name](t, d, w, m)))
    assert found[1] == found[0]


def test_workers_take_shares():
    d = torchcompat.utils.data
    pipe = d.datapipes.iter.IterableWrapper(range(8)).shuffle().sharding_filter()
    loader = d.DataLoader(pipe, batch_size=None, num_workers=2)
    assert sorted(loader) == list(range(8))


def test_a_class_as_a_method():
    d = torchcompat.utils.data

    @d.functional_datapipe("plus_for_a_test")
    class Plus(d.IterDataPipe):
        def __init__(self, source, n=1):
            self.source, self.n = source, n

        def __iter__(self):
            for x in self.source:
                yield x + self.n

    assert list(d.datapipes.iter.IterableWrapper([1, 2]).plus_for_a_test(n=3)) == [4, 5]
    with pytest.raises(Exception, match="Unable to add DataPipe function name"):
        d.functional_datapipe("plus_for_a_test")(Plus)
    with pytest.raises(TypeError, match="can only decorate"):
        d.functional_datapipe("another_for_a_test")(int)
