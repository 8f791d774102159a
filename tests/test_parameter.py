"""Parameter, Buffer and the tensors whose size is not known yet."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest
from _both import attempt, both
from jax import numpy as jnp

import torchcompat

nn = torchcompat.nn


@both
def test_making_parameters(torch):
    P = torch.nn.Parameter
    for args in (
        (),
        (None, False),
        (torch.ones(2),),
        (torch.ones(2), False),
        (torch.ones(2, dtype=torch.int64),),
        (torch.ones(2, dtype=torch.int64), False),
        (torch.ones(2, dtype=torch.complex64),),
        (3,),
        ([1.0],),
        (P(torch.ones(2)), False),
    ):
        yield attempt(P, *args)
    computed = torch.ones(2, requires_grad=True) * 3
    yield P(computed), P(computed).is_leaf, P.__name__
    with torch.no_grad():
        yield P(torch.ones(1)).requires_grad


@both
def test_a_parameter_shares_storage(torch):
    base = torch.arange(4.0)
    whole, part = torch.nn.Parameter(base), torch.nn.Parameter(base[1:3])
    base.add_(1)
    yield whole, part
    with torch.no_grad():
        part.mul_(10)
    yield base, whole
    whole.data[0] = 7
    yield base
    whole.data = torch.ones(2, dtype=torch.float64)
    yield whole, base


@both
def test_results_are_plain_tensors(torch):
    p = torch.nn.Parameter(torch.ones(2))
    results = p + 1, p * p, p.data, p.detach(), p.clone(), p[0], p.double(), p.view(2)
    yield [type(x) for x in results]
    yield type(p.requires_grad_(False)), type(p.to(torch.float32)), p.to(torch.float32) is p
    yield isinstance(p, torch.Tensor), isinstance(p.data, torch.nn.Parameter)


@both
def test_printing(torch):
    P = torch.nn.Parameter
    yield repr(P(torch.ones(2, 2))), str(P(torch.ones(1), False)), repr([P(torch.ones(1))])
    yield repr(P(torch.ones(2, device="meta")))


@both
def test_copying_and_pickling(torch):
    p = torch.nn.Parameter(torch.arange(4.0)[1:3])
    frozen = torch.nn.Parameter(torch.ones(1), False)
    p.note = 3
    for clone in (copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))):
        pair = clone([p, p, frozen])
        twin = clone(p)
        yield pair[0] is pair[1], pair, twin, type(twin), hasattr(twin, "note")
        with torch.no_grad():
            twin.add_(100)
        yield p
        with torch.no_grad():
            p.copy_(torch.ones(2))


@both
def test_subclasses_of_parameter(torch):
    class Mine(torch.nn.Parameter):
        pass

    p = Mine(torch.ones(1))
    yield type(p), isinstance(p, torch.nn.Parameter), type(copy.deepcopy(p)), type(p + 1)
    module = torch.nn.Module()
    module.p = p
    yield list(module._parameters)


@both
def test_buffers(torch):
    B = torch.nn.Buffer
    made = B(torch.ones(2)), B(torch.ones(2), persistent=False), B()
    yield made, [type(b) for b in made], [b.persistent for b in made]
    yield [isinstance(b, B) for b in made], isinstance(torch.ones(1), B), isinstance(made[0] + 1, B)
    yield attempt(B, 3), attempt(B, torch.ones(1), False)
    base = torch.zeros(2)
    held = B(base)
    base.add_(1)
    yield held


@both
def test_uninitialised(torch):
    U, B = torch.nn.UninitializedParameter, torch.nn.UninitializedBuffer
    for kind in (U, B):
        x = kind()
        yield repr(x), x.dtype, x.requires_grad, attempt(lambda x=x: x.shape)
        result, _ = attempt(lambda x=x: x + 1)
        yield result[:2]
        yield attempt(x.share_memory_), repr(copy.deepcopy(x) if kind is U else x)
        x.materialize((2, 3), dtype=torch.float64)
        yield type(x), tuple(x.shape), x.dtype, x.requires_grad
    yield U(requires_grad=False).requires_grad, U(dtype=torch.half).dtype, U(device="meta").device
    module = torch.nn.Module()
    module.p = U()
    module.double()
    yield module.p.dtype, repr(module.p), [n for n, _ in module.named_parameters()]
    yield attempt(module.share_memory)


# -- what is ours -------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [np.ones(2, np.float32), jnp.ones(2)], ids=["numpy", "jax"])
def test_parameters_of_arrays(array):
    p = nn.Parameter(array)
    assert p.requires_grad and p.dtype is torchcompat.float32 and p.tolist() == [1, 1]
    assert isinstance(nn.Buffer(array), nn.Buffer)


def test_a_parameter_is_a_pytree():
    p = nn.Parameter(torchcompat.ones(2))
    leaves, tree = jax.tree.flatten(p)
    twin = jax.tree.unflatten(tree, [2 * leaves[0]])
    assert type(twin) is nn.Parameter and twin.requires_grad and twin.tolist() == [2, 2]
    grad = jax.grad(lambda q: (q * q).sum()._read())(p)
    assert type(grad) is nn.Parameter and grad.tolist() == [2, 2]


def test_copies_of_arrays_cost_nothing():
    p = nn.Parameter(torchcompat.ones(2))
    assert copy.deepcopy(p)._read() is p._read()
