"""The containers of modules and parameters: every list and dict operation."""

from __future__ import annotations

import copy
import operator
import pickle
from collections import OrderedDict

import pytest
from _both import attempt, both
from _toys import toys

import torchcompat

nn = torchcompat.nn
POSITIONS = (
    0,
    1,
    -1,
    -3,
    3,
    -4,
    True,
    "0",
    1.5,
    None,
    slice(0, 2),
    slice(None, None, 2),
    slice(5, 9),
)


def three(torch, kind, **names):
    """A Sequential or ModuleList of three modules that can be told apart."""
    T = toys(torch)
    modules = [T.Affine(1), T.Plus(), T.Affine(3)]
    return kind(*modules) if kind is torch.nn.Sequential else kind(modules)


def shown(container):
    return repr(container), list(container._modules), list(container.state_dict())


# -- Sequential and ModuleList --------------------------------------------------------------------


def sequences(torch):
    return torch.nn.Sequential, torch.nn.ModuleList


@both
def test_indexing(torch):
    for kind in sequences(torch):
        for where in POSITIONS:
            yield attempt(operator.getitem, three(torch, kind), where)
            for new in (toys(torch).Plus(), None, 3):
                box = three(torch, kind)
                yield attempt(operator.setitem, box, where, new)
                yield shown(box)
            box = three(torch, kind)
            yield attempt(operator.delitem, box, where), shown(box)
            box = three(torch, kind)
            yield attempt(box.pop, where), shown(box)
        box = three(torch, kind)
        yield len(box), [type(m) for m in box], [type(m) for m in reversed(box)], box[1] in box
        yield bool(kind()), [n for n in dir(box) if n.isdigit()]


@both
def test_inserting(torch):
    T = toys(torch)
    for kind in sequences(torch):
        for where in (0, 1, 3, -1, -3, 4, -4):
            if kind is torch.nn.ModuleList and where == 4:
                continue  # torch puts it under the name "4" and leaves a hole; ours appends
            box = three(torch, kind)
            result, given = attempt(box.insert, where, T.Plus())
            yield result, given
            if result is None or result[0] != "raised":
                yield shown(box)
        box = three(torch, kind)
        yield attempt(box.append, T.Plus()), box.append(T.Plus()) is box, attempt(box.append, 3)
        yield shown(box)
        for more in ([T.Plus()], (T.Plus(),), (m for m in [T.Plus()]), kind(), box, 3, "ab", None):
            box = three(torch, kind)
            result, _ = attempt(box.extend, more)
            yield result
            yield shown(box)
    yield attempt(torch.nn.Sequential().insert, 0, 3)


def test_a_list_insert_beyond_the_end_appends():
    box = three(torchcompat, nn.ModuleList)
    box.insert(99, nn.Module())
    assert list(box._modules) == ["0", "1", "2", "3"]


@both
def test_adding_and_multiplying(torch):
    T = toys(torch)
    for kind in sequences(torch):
        for other in (three(torch, kind), [T.Plus()], kind(), 3, None):
            yield attempt(lambda k=kind, o=other: three(torch, k) + o)
            yield attempt(lambda k=kind, o=other: operator.iadd(three(torch, k), o))
        for factor in (2, 1, 0, -1, 1.5, "a", None):
            yield attempt(lambda k=kind, f=factor: three(torch, k) * f)
            yield attempt(lambda k=kind, f=factor: f * three(torch, k))
            yield attempt(lambda k=kind, f=factor: operator.imul(three(torch, k), f))
    box = three(torch, torch.nn.Sequential)
    doubled = box * 2
    yield doubled[0] is doubled[3], doubled[0] is box[0], len(list(doubled.parameters()))
    same = box
    same += three(torch, torch.nn.Sequential)
    yield same is box, shown(box)
    same *= 2
    yield same is box, len(box)


@both
def test_sequence_constructors(torch):
    nn, T = torch.nn, toys(torch)
    for args in ((), (T.Plus(),), (3,), (None,), ([T.Plus()],), ({"a": T.Plus()},), ("ab",)):
        yield attempt(nn.Sequential, *args)
    named = OrderedDict(b=T.Affine(), a=T.Plus())
    yield attempt(nn.Sequential, named), attempt(nn.Sequential, named, T.Plus())
    for args in ((), (None,), ([],), ([None],), (3,), ([3],), ({"a": T.Plus()},), (T.Plus(),)):
        yield attempt(nn.ModuleList, *args)
    yield attempt(nn.ModuleList, (T.Plus() for _ in range(3)))


@both
def test_named_sequential(torch):
    T = toys(torch)

    def make():
        return torch.nn.Sequential(OrderedDict(conv=T.Affine(1), act=T.Plus(), last=T.Affine(3)))

    for act in (
        lambda s: s[1:],
        lambda s: s[0],
        lambda s: s.conv,
        lambda s: s.append(T.Plus()),
        lambda s: s.extend([T.Plus()]),
        lambda s: s + s,
        lambda s: s * 2,
        lambda s: operator.delitem(s, 0),
        lambda s: s.pop(1),
        lambda s: operator.setitem(s, -1, T.Plus()),
        lambda s: delattr(s, "act"),
        lambda s: setattr(s, "act", T.Affine(5)),
        lambda s: s.add_module("more", T.Plus()),
    ):
        box = make()
        yield attempt(act, box), shown(box)


@both
def test_sequential_runs(torch):
    T = toys(torch)
    box = torch.nn.Sequential(T.Affine(2), T.Plus())
    yield box(torch.ones(2)), torch.nn.Sequential()(torch.ones(1))
    yield attempt(box), attempt(box, torch.ones(1), torch.ones(1))
    yield attempt(box, input=torch.ones(2))
    yield attempt(torch.nn.ModuleList([T.Plus()]), torch.ones(1))


@both
def test_subclasses_of_sequences(torch):
    class Mine(torch.nn.Sequential):
        def __init__(self, *args):
            super().__init__(*args)
            self.extra = 5

    class Listed(torch.nn.ModuleList):
        pass

    T = toys(torch)
    box = Mine(T.Plus(), T.Affine(1))
    yield type(box[:1]), box[:1].extra, type(box + box), type(box * 2), box
    box = Listed([T.Plus(), T.Affine(1)])
    yield type(box[:1]), type(box + box), box


@both
def test_module_list_repr(torch):
    T, nn = toys(torch), torch.nn
    for sizes in ((), (1,), (1, 1), (1, 1, 2, 2, 2, 1), (1, 2, 1, 2)):
        yield repr(nn.ModuleList([T.Affine(n) for n in sizes]))
    block = nn.ModuleList([nn.Sequential(T.Plus(), T.Affine(1)) for _ in range(3)])
    yield repr(nn.ModuleList([block, block, T.Plus()]))
    yield repr(nn.Sequential(block, T.Plus(), T.Plus()))
    yield repr(nn.ModuleList([None, None]))


# -- ModuleDict -----------------------------------------------------------------------------------


@both
def test_module_dict(torch):
    nn, T = torch.nn, toys(torch)

    def make():
        return nn.ModuleDict({"b": T.Affine(1), "a": T.Plus()})

    for act in (
        lambda d: d["b"],
        lambda d: d["zz"],
        lambda d: d.b,
        lambda d: d.a,
        lambda d: (len(d), "a" in d, "zz" in d, list(d), bool(d)),
        lambda d: (list(d.keys()), list(d.values()), list(d.items())),
        lambda d: (type(d.keys()), type(d.values()), type(d.items())),
        lambda d: operator.setitem(d, "c", T.Plus()),
        lambda d: operator.setitem(d, "b", T.Plus()),
        lambda d: operator.setitem(d, "n", None),
        lambda d: operator.setitem(d, "c", 3),
        lambda d: operator.setitem(d, 3, T.Plus()),
        lambda d: operator.setitem(d, "x.y", T.Plus()),
        lambda d: operator.setitem(d, "keys", T.Plus()),
        lambda d: operator.setitem(d, "type", T.Plus()),
        lambda d: operator.delitem(d, "b"),
        lambda d: operator.delitem(d, "zz"),
        lambda d: d.pop("b"),
        lambda d: d.pop("zz"),
        lambda d: d.pop("zz", 3),
        lambda d: d.clear(),
        lambda d: d.get("a"),
        lambda d: d.popitem(),
        lambda d: d | d,
        lambda d: d(torch.ones(1)),
        lambda d: d.update({"z": T.Plus(), "y": T.Plus()}),
        lambda d: d.update(OrderedDict(z=T.Plus(), y=T.Plus())),
        lambda d: d.update([("z", T.Plus()), ["y", T.Plus()]]),
        lambda d: d.update(nn.ModuleDict({"b": T.Plus(), "q": T.Plus()})),
        lambda d: d.update(3),
        lambda d: d.update([3]),
        lambda d: d.update([("a",)]),
        lambda d: d.update([("a", T.Plus(), 3)]),
        lambda d: d.update(["ab"]),
        lambda d: d.update({3: T.Plus()}),
        lambda d: d.update(d.items()),
    ):
        box = make()
        result, _ = attempt(act, box)
        yield result
        yield shown(box)
    for args in ((), (None,), (3,), ({"a": None},), ({"b": 3},), ([["a", T.Plus()]],), ([[3, 4]],)):
        yield attempt(nn.ModuleDict, *args)


# -- ParameterList --------------------------------------------------------------------------------


def ones(torch, *size, **options):
    return torch.nn.Parameter(torch.ones(*size, **options))


def parameters_shown(box):
    return repr(box), list(box), list(box.state_dict()), [n for n, _ in box.named_parameters()]


@both
def test_parameter_list(torch):
    nn = torch.nn

    def make():
        return nn.ParameterList([ones(torch, 1), torch.ones(2, 3), "text", 3.5])

    for where in POSITIONS:
        yield attempt(operator.getitem, make(), where)
        for new in (ones(torch, 5), torch.zeros(2), None, "x"):
            box = make()
            yield attempt(operator.setitem, box, where, new)
            yield parameters_shown(box)
    for act in (
        lambda p: (len(p), bool(p), [n for n in dir(p) if n.isdigit()]),
        lambda p: operator.delitem(p, 0),
        lambda p: p.append(torch.ones(1)),
        lambda p: p.append([1]),
        lambda p: p.append(p) and None,
        lambda p: p.extend([ones(torch, 1), 2]),
        lambda p: p.extend(nn.ParameterList([ones(torch, 1)])),
        lambda p: p.extend(p),
        lambda p: p.extend(torch.ones(2)),
        lambda p: p.extend(ones(torch, 1)),
        lambda p: p.extend(3),
        lambda p: p.extend("ab"),
        lambda p: operator.iadd(p, [ones(torch, 1)]),
        lambda p: operator.iadd(p, 3),
        lambda p: p + [1],
        lambda p: p.pop(),
        lambda p: p.insert(0, 1),
        lambda p: p(3),
        lambda p: p.to(torch.double),
        lambda p: copy.deepcopy(p),
        lambda p: pickle.loads(pickle.dumps(p)),
    ):
        box = make()
        if act.__code__.co_names[:1] == ("append",) and "p" in act.__code__.co_names:
            continue
        yield attempt(act, box)
        yield parameters_shown(box) if box is not box[-1] else len(box)


@both
def test_parameter_list_constructors_and_repr(torch):
    nn, T = torch.nn, toys(torch)
    for args in ((), (None,), ([],), (3,), (torch.ones(2),), ({"a": ones(torch, 1)},)):
        yield attempt(nn.ParameterList, *args)
    yield attempt(nn.ParameterList, (ones(torch, n) for n in (1, 2)))
    yield attempt(nn.ParameterList, [torch.ones(1, dtype=torch.int64)])
    yield repr(
        nn.ParameterList([ones(torch, 2, 3).half(), nn.Buffer(torch.ones(1)), T.Plus(), None])
    )
    yield repr(nn.ParameterList([nn.ParameterList([ones(torch, 1)]), nn.ParameterDict()]))
    yield repr(nn.ParameterList([ones(torch, dtype=torch.float64) if False else ones(torch, ())]))

    class Listed(nn.ParameterList):
        pass

    yield type(Listed([ones(torch, 1)])[:1]), Listed([ones(torch, 1)])
    box = nn.ParameterList([ones(torch, 1)])
    yield box[0] is box[:1][0], box._size


# -- ParameterDict --------------------------------------------------------------------------------


@both
def test_parameter_dict(torch):
    nn = torch.nn

    def make():
        box = nn.ParameterDict({"b": ones(torch, 1), "a": ones(torch, 2, 2)})
        box["t"], box["s"] = torch.ones(3), "text"
        return box

    for act in (
        lambda d: d["b"],
        lambda d: d["zz"],
        lambda d: d[3],
        lambda d: d.b,
        lambda d: (len(d), "a" in d, "zz" in d, list(d), list(reversed(d)), bool(d)),
        lambda d: (list(d.keys()), list(d.values()), list(d.items()), type(d.keys())),
        lambda d: operator.setitem(d, "b", None),
        lambda d: operator.setitem(d, "b", ones(torch, 7)),
        lambda d: operator.setitem(d, "s", 3),
        lambda d: operator.setitem(d, "new", ones(torch, 7)),
        lambda d: operator.delitem(d, "b"),
        lambda d: operator.delitem(d, "zz"),
        lambda d: d.pop("t"),
        lambda d: d.pop("zz"),
        lambda d: d.pop("zz", 1),
        lambda d: d.popitem(),
        lambda d: nn.ParameterDict().popitem(),
        lambda d: (d.get("a"), d.get("zz"), d.get("zz", 4)),
        lambda d: (d.setdefault("a", 3), d.setdefault("n", ones(torch, 1)), d.setdefault("m")),
        lambda d: d.fromkeys(["u", "v"]),
        lambda d: d.fromkeys(["u"], ones(torch, 1)),
        lambda d: d.copy(),
        lambda d: d.copy()["a"] is d["a"],
        lambda d: d | {"q": ones(torch, 1)},
        lambda d: {"q": ones(torch, 1)} | d,
        lambda d: d | nn.ParameterDict({"q": ones(torch, 1)}),
        lambda d: d | 3,
        lambda d: operator.ior(d, nn.ParameterDict({"q": ones(torch, 1)})),
        lambda d: operator.ior(d, {"q": 1}),
        lambda d: operator.ior(d, 3),
        lambda d: d.clear(),
        lambda d: d(3),
        lambda d: d.update({"z": ones(torch, 1), "y": ones(torch, 1)}),
        lambda d: d.update(OrderedDict(z=ones(torch, 1), y=ones(torch, 1))),
        lambda d: d.update([("z", ones(torch, 1)), ("y", 3)]),
        lambda d: d.update(nn.ParameterDict(OrderedDict(z=ones(torch, 1), y=3))),
        lambda d: d.update(3),
        lambda d: d.update([3]),
        lambda d: d.update([("a",)]),
        lambda d: d.update({3: ones(torch, 1)}),
        lambda d: d.to(torch.half),
        lambda d: copy.deepcopy(d),
        lambda d: pickle.loads(pickle.dumps(d)),
    ):
        box = make()
        result, _ = attempt(act, box)
        yield result
        if not (isinstance(result, tuple) and result[0] == "raised"):
            yield parameters_shown_dict(box)
    for args in ((), (None,), (3,), ({"a": None, "b": 3, "c": toys(torch).Plus()},), ([["a", 1]],)):
        yield attempt(nn.ParameterDict, *args)
    yield attempt(nn.ParameterDict, {"type": ones(torch, 1)})
    yield attempt(nn.ParameterDict, {"x.y": ones(torch, 1)})
    yield attempt(nn.ParameterDict, {"training": ones(torch, 1)})
    yield repr(nn.ParameterDict({"m": ones(torch, 1, device="meta"), "h": ones(torch, 1).half()}))


def parameters_shown_dict(box):
    return repr(box), list(box.items()), list(box.state_dict()), list(dict(box.named_parameters()))


def test_a_refused_name_leaves_a_parameter_dict_alone():
    box = nn.ParameterDict({"a": torchcompat.ones(1)})
    for name in ("x.y", "keys", ""):
        with pytest.raises(KeyError):
            box[name] = nn.Parameter(torchcompat.ones(1))
    assert list(box) == ["a"] and len(list(box.items())) == 1


# -- the rest -------------------------------------------------------------------------------------


@both
def test_container(torch):
    from importlib import import_module

    container = import_module(torch.__name__ + ".nn.modules.container")
    yield attempt(container.Container, a=toys(torch).Plus())
    yield sorted(container.__all__)


@both
def test_containers_nest_and_train(torch):
    nn, T = torch.nn, toys(torch)
    net = nn.ModuleDict({"list": nn.ModuleList([nn.Sequential(T.Affine(2)), nn.ParameterList()])})
    net["list"].append(nn.ParameterDict({"p": ones(torch, 1)}))
    net.eval()
    yield [m.training for m in net.modules()], list(net.state_dict()), net
    net.load_state_dict({k: v * 0 for k, v in net.state_dict().items()})
    yield net.state_dict()


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList", "ModuleDict"])
def test_changes_advance_the_version(kind):
    make = getattr(nn, kind)
    box = make({"0": nn.Module()}) if kind == "ModuleDict" else make()
    acts = [lambda: box.update({"k": nn.Module()}), lambda: box.pop("k"), lambda: box.clear()]
    if kind != "ModuleDict":
        acts = [lambda: box.append(nn.Module()), lambda: box.insert(0, nn.Module())]
        acts += [lambda: box.pop(0), lambda: box.extend([nn.Module()]), lambda: box.__delitem__(-1)]
    for act in acts:
        version = box._structure_version
        act()
        assert box._structure_version > version
