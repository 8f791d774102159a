"""`__torch_function__` of Tensor subclasses, of other objects and of modes, as torch asks them."""

import copy
import subprocess
import sys

import pytest

import torchcompat
from tests._both import attempt, both


def _calls(t, x):
    """Calls of every kind on one tensor, in the order in which torch asks about them."""
    F = t.nn.functional
    results = [x + 1, 1 + x, 1 - x, 2**x, x // 1, x % 2, -x, abs(x), x @ x, x > 1, x == x]
    results += [x.sum(), t.add(x, 1), x[0], t.stack([x, x]), F.relu(x), F.softmax(x, dim=0), x.T]
    results += [t.einsum("ij->i", x), F.linear(x, x), F.linear(t.ones(2), x), t.linalg.det(x)]
    results += [t.fft.fft(x), x.to(t.float64), t.cat((x, x)), x.data, x.half()]
    results += [x.split(1), x.max(0), list(x), t.where(x > 0, x, 0.0), t.zeros_like(x)]
    results += [
        t.nn.Linear(2, 2)(x),
        x.detach(),
        x.clone(),
        x.new_zeros(2),
        x.masked_fill(x > 0, 1),
    ]
    results += [F.cross_entropy(x, t.tensor([0, 1])), x.where(x > 0, x), x.requires_grad, x.grad]
    results += [x.shape, x.dtype, x.device, x.ndim, x.size(), x.dim(), x.numel(), x.is_leaf]
    results += [len(x), bool(x.sum() > 1), x.sum().item(), 1 in x, x.tolist(), t.numel(x)]
    x[0] = 1
    x += 1
    return [*results, x.add_(1)]


@both
def test_results_are_of_the_subclass(t):
    class Own(t.Tensor):
        pass

    class Further(Own):
        pass

    x = t.ones(2, 2).as_subclass(Own)
    for result in _calls(t, x):
        parts = result if isinstance(result, (tuple, list)) else [result]
        yield [type(one).__name__ for one in parts]
    y = t.ones(2, 2).as_subclass(Further)
    yield type(x + y), type(y + x), type(copy.copy(x)), repr(x), repr(x.max(0))
    yield attempt(x.as_subclass, int)
    with t._C.DisableTorchFunctionSubclass():
        yield type(x + 1)
    leaf = Own([1.0, 2.0]).requires_grad_()
    (leaf * 2).sum().backward()
    yield type(leaf), type(leaf.grad), leaf.grad.tolist()
    yield type(t.nn.Parameter(x)), isinstance(t.nn.Parameter(x), t.nn.Parameter)
    yield type(t.nn.Parameter(t.ones(1)) * 2), isinstance(x, t.nn.Parameter)


@both
def test_what_is_asked(t):
    seen = []

    class Own(t.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            seen.append((func.__name__, [kind.__name__ for kind in types], len(args)))
            return super().__torch_function__(func, types, args, kwargs or {})

    _calls(t, t.ones(2, 2).as_subclass(Own))
    yield from seen


@both
def test_construction(t):
    class Named(t.Tensor):
        @staticmethod
        def __new__(cls, data, name):
            return super().__new__(cls, data)

        def __init__(self, data, name):
            self.label = name

    x = Named([1, 2], "a")
    yield x.label, type(x), x.tolist(), type(x + 1), hasattr(x + 1, "label")

    class Own(t.Tensor):
        @property
        def twice(self):
            return self * 2

        def sum(self, *args):
            return "own"

    yield Own(2, 3).shape, Own([1]).twice, Own([1]).sum(), t.sum(Own([1])), type(Own())
    yield t.Tensor._make_subclass(Own, t.ones(2), True)

    class Plain(t.Tensor):
        __torch_function__ = t._C._disabled_torch_function_impl

    yield type(t.ones(1).as_subclass(Plain) + 1)


@both
def test_objects_that_are_no_tensors(t):
    class Named:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            is_add = func is t.add, func is t.Tensor.add
            return func.__name__, [kind.__name__ for kind in types], len(args), is_add

    F, d = t.nn.functional, Named()
    yield t.add(d, 1), t.add(t.ones(1), d), t.ones(1) + d, t.ones(1).add(d), t.ones(1) * d
    yield t.mean(d), F.relu(d), t.stack([d, t.ones(1)]), t.linalg.inv(d), t.max(d, dim=0)
    yield F.linear(t.ones(1, 1), d), t.where(t.ones(1) > 0, d, d), t.einsum("i->", d)


@both
def test_nobody_answers(t):
    class Silent:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    class Own(t.Tensor):
        __torch_function__ = Silent.__torch_function__

    class Other(t.Tensor):
        pass

    class Mode(t.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            return NotImplemented

    x = t.ones(2).as_subclass(Own)
    yield attempt(lambda: x + 1), attempt(lambda: 1 + x), attempt(t.add, x, 1), attempt(x.sum)
    yield attempt(t.nn.functional.relu, x), attempt(t.linalg.norm, x), attempt(t.mul, Silent(), 1)
    yield attempt(lambda: x + t.ones(2).as_subclass(Other))
    with Mode():
        text = attempt(t.ones, 2)
    yield text


@both
def test_modes(t):
    seen = []

    class Mode(t.overrides.TorchFunctionMode):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append((self.name, func.__name__))
            return -1 if func is t.mul else func(*args, **(kwargs or {}))

    ones = t.ones(2)
    with Mode("outer"), Mode("inner"):
        t.zeros(2) + 1
        t.tensor([1])
        t.nn.functional.relu(ones)
        ones.shape  # noqa: B018
        yield t.mul(ones, 2)
        t.get_default_dtype()
        yield t.overrides.has_torch_function((ones,))
        with t._C.DisableTorchFunction():
            yield t.mul(ones, 2)
    yield t.mul(ones, 2), t.overrides.has_torch_function((ones,))
    yield from seen
    with t.overrides.TorchFunctionMode():
        failed = attempt(t.ones, 2)
    yield failed


@both
def test_helpers(t):
    o, F = t.overrides, t.nn.functional
    getter = t.Tensor.shape.__get__
    yield o.is_tensor_like(3), o.is_tensor_like(t.ones(1))
    for f in (t.add, t.Tensor.add, getter, F.relu, F.gelu, t.linalg.det, t.fft.fft, print):
        yield o.is_tensor_method_or_property(f), o.resolve_name(f)
    answers = o.get_testing_overrides()
    yield [f in answers for f in (t.add, t.Tensor.add, F.relu, getter, t.get_default_dtype)]
    yield answers[t.add](1, 2), t.get_default_dtype in o.get_ignored_functions()
    lists = o.get_overridable_functions()
    yield t.add in lists[t], t.Tensor.add in lists[t.Tensor], F.relu in lists[F]


def test_compiled_functions_take_subclasses():
    class Own(torchcompat.Tensor):
        pass

    x = torchcompat.ones(2).as_subclass(Own)
    twice = torchcompat.compile(lambda x: x * 2)
    assert twice(x).tolist() == [2, 2]


def test_nothing_is_watched_without_need():
    """Without instances of subclasses, proxies and modes, functions are what they were."""
    source = (
        "import torchcompat as t\n"
        "code = t.add.__code__\n"
        "t.nn.Parameter(t.ones(1)) + 1\n"
        "assert t.add.__code__ is code\n"
        "own = t.ones(1).as_subclass(type('Own', (t.Tensor,), {}))\n"
        "assert t.add.__code__ is not code\n"
        "del own\n"
        "assert t.add.__code__ is code\n"
    )
    subprocess.run([sys.executable, "-c", source], check=True)


def test_wrapper_subclasses_are_refused():
    with pytest.raises(NotImplementedError, match="__torch_dispatch__"):
        torchcompat.Tensor._make_wrapper_subclass(torchcompat.Tensor, (2,))
