"""torch.func's transformations against torch's, on Tensors; and on bare arrays."""

import types

import jax
import numpy as np
import pytest
import torch

import torchcompat
import torchcompat.func

LIBRARIES = (torch, torchcompat)
# Torch's forward mode loads itself with a function that torch deprecates.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.torch.jit.script. is deprecated:DeprecationWarning"
)


def x(lib, n=3):
    return lib.arange(1.0, n + 1)


CASES = {
    "grad": lambda t, f: f.grad(lambda a: (a.sin() * a).sum())(x(t)),
    "grad of a dictionary": lambda t, f: f.grad(
        lambda a, d: (a * d["w"] ** 2).sum(), argnums=(0, 1)
    )(x(t), {"w": x(t)}),
    "grad with aux": lambda t, f: f.grad(lambda a: (a.sum(), a * 2), has_aux=True)(x(t)),
    "grad_and_value": lambda t, f: f.grad_and_value(lambda a: a.exp().sum())(x(t)),
    "grad_and_value with aux": lambda t, f: f.grad_and_value(
        lambda a: (a.exp().sum(), {"k": a}), has_aux=True
    )(x(t)),
    "negative argnums": lambda t, f: f.grad(lambda a, b: (a * b).sum(), argnums=-1)(x(t), 2 * x(t)),
    "grad of grad": lambda t, f: f.grad(f.grad(lambda a: a.sin()))(t.tensor(0.5)),
    "grad of double": lambda t, f: f.grad(lambda a: a.pow(3).sum())(x(t).double()),
    "grad of complex": lambda t, f: f.grad(lambda a: (a * a.conj()).real.sum())(
        t.tensor([1 + 2j, -0.5j])
    ),
    "vjp": lambda t, f: f.vjp(lambda a, b: a * b, x(t), 2 * x(t))[1](x(t)),
    "vjp value": lambda t, f: f.vjp(lambda a: {"p": a, "q": a * 3}, x(t))[0],
    "vjp of a dictionary": lambda t, f: f.vjp(lambda a: {"p": a, "q": a * 3}, x(t))[1](
        {"p": x(t), "q": x(t)}
    ),
    "vjp complex": lambda t, f: f.vjp(lambda a: a * (1 + 2j), t.tensor([1 + 2j]))[1](
        t.tensor([0.5 - 1j])
    ),
    "jvp": lambda t, f: f.jvp(lambda a: a.tanh(), (x(t),), (t.ones(3),)),
    "jvp with aux": lambda t, f: f.jvp(lambda a: (a * 2, a), (x(t),), (x(t),), has_aux=True),
    "jacrev": lambda t, f: f.jacrev(lambda a: a**2)(x(t)),
    "jacrev of two": lambda t, f: f.jacrev(lambda a, b: (a * b, a.sum()), argnums=(0, 1))(
        x(t), x(t)
    ),
    "jacrev with aux": lambda t, f: f.jacrev(lambda a: (a**2, a), has_aux=True)(x(t)),
    "jacfwd": lambda t, f: f.jacfwd(lambda a: {"s": a.sum(), "p": a**2})(x(t)),
    "hessian": lambda t, f: f.hessian(lambda a: (a**3).sum())(x(t)),
    "hessian of two": lambda t, f: f.hessian(lambda a, b: (a**2 * b).sum(), argnums=(0, 1))(
        x(t), x(t)
    ),
    "vmap": lambda t, f: f.vmap(lambda a, b: a @ b)(t.ones(4, 3), 2 * t.ones(4, 3)),
    "vmap dims": lambda t, f: f.vmap(lambda a, b: a * b, in_dims=(1, None), out_dims=1)(
        t.arange(6.0).reshape(2, 3), t.tensor([1.0, 2.0])
    ),
    "vmap negative dims": lambda t, f: f.vmap(lambda a: a.sum(), in_dims=-1)(
        t.arange(6.0).reshape(2, 3)
    ),
    "vmap nested dims": lambda t, f: f.vmap(
        lambda d, s: d["a"] * s + d["b"], in_dims=({"a": 0, "b": None}, None)
    )({"a": x(t), "b": t.tensor(1.0)}, 2.0),
    "vmap out dims": lambda t, f: f.vmap(lambda a: (a, a * 2), out_dims=(0, 1))(
        t.arange(6.0).reshape(2, 3)
    ),
    "vmap chunks": lambda t, f: f.vmap(lambda a: a**2, chunk_size=2)(x(t, 5)),
    "vmap in place": lambda t, f: f.vmap(lambda a: a.clone().add_(1))(x(t)),
    "vmap of vmap": lambda t, f: f.vmap(f.vmap(lambda a: a * a.sum()))(t.ones(2, 3, 4)),
    "gradients by example": lambda t, f: f.vmap(f.grad(lambda w, a: (w * a).sum() ** 2), (None, 0))(
        x(t), t.arange(6.0).reshape(2, 3)
    ),
    "vmap of jacrev": lambda t, f: f.vmap(f.jacrev(lambda a: a.sin()))(t.arange(6.0).reshape(2, 3)),
    "functionalize": lambda t, f: f.functionalize(lambda a: a.clone().mul_(2))(x(t)),
}


def plain(value):
    if isinstance(value, (torch.Tensor, torchcompat.Tensor)):
        return np.asarray(value.detach().resolve_conj())
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (tuple, list)) else value


@pytest.mark.parametrize("name", CASES)
def test_results_are_torchs(name):
    expected, actual = (plain(CASES[name](lib, lib.func)) for lib in LIBRARIES)
    assert jax.tree.structure(expected) == jax.tree.structure(actual)
    for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(actual), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=2e-6, atol=1e-6)


ERRORS = {
    "grad of a vector": lambda t, f: f.grad(lambda a: a * 2)(x(t)),
    "grad of a tuple": lambda t, f: f.grad(lambda a: (a.sum(), 1))(x(t)),
    "grad of a number": lambda t, f: f.grad(lambda a: 3.0)(x(t)),
    "grad beyond": lambda t, f: f.grad(lambda a: a.sum(), argnums=2)(x(t)),
    "grad without aux": lambda t, f: f.grad(lambda a: a.sum(), has_aux=True)(x(t)),
    "grad of integers": lambda t, f: f.grad(lambda a: a.sum())(t.arange(3)),
    "vjp of a number": lambda t, f: f.vjp(lambda a: 3, x(t)),
    "jvp without a tuple": lambda t, f: f.jvp(lambda a: a, x(t), x(t)),
    "jvp of two sizes": lambda t, f: f.jvp(lambda a: a, (x(t),), (t.ones(2),)),
    "vmap of a number": lambda t, f: f.vmap(lambda a: a * 2)(1.0),
    "vmap of two sizes": lambda t, f: f.vmap(lambda a, b: a)(x(t), t.ones(4)),
    "vmap beyond": lambda t, f: f.vmap(lambda a: a, in_dims=2)(x(t)),
    "vmap to a number": lambda t, f: f.vmap(lambda a: 1)(x(t)),
    "vmap of nothing": lambda t, f: f.vmap(lambda a: a)(),
    "vmap of no dims": lambda t, f: f.vmap(lambda a: a, in_dims=None)(x(t)),
    "vmap of text": lambda t, f: f.vmap(lambda a: a, in_dims="a")(x(t)),
    "vmap out beyond": lambda t, f: f.vmap(lambda a: a, out_dims=3)(x(t)),
    "vmap randomness": lambda t, f: f.vmap(lambda a: a, randomness="q")(x(t)),
    "vmap random": lambda t, f: f.vmap(lambda a: t.rand(2))(x(t)),
    "vmap chunk": lambda t, f: f.vmap(lambda a: a, chunk_size=0)(x(t)),
    "stack nothing": lambda t, f: f.stack_module_state([]),
    "stack two classes": lambda t, f: f.stack_module_state([t.nn.Linear(1, 1), t.nn.ReLU()]),
    "stack two modes": lambda t, f: f.stack_module_state(
        [t.nn.Linear(1, 1), t.nn.Linear(1, 1).eval()]
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_torchs(name):
    found = []
    for lib in LIBRARIES:
        with pytest.raises((RuntimeError, ValueError, IndexError)) as caught:
            ERRORS[name](lib, lib.func)
        found.append((caught.type, str(caught.value)))
    assert found[0] == found[1]


def test_an_ensemble():
    outputs = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        models = [lib.nn.Linear(3, 2) for _ in range(4)]
        params, buffers = lib.func.stack_module_state(models)
        assert all(p.requires_grad and p.is_leaf for p in params.values())

        def call(params, buffers, a, model=models[0], lib=lib):
            return lib.func.functional_call(model, (params, buffers), (a,))

        outputs.append(lib.vmap(call, in_dims=(0, 0, None))(params, buffers, lib.ones(5, 3)))
    assert outputs[1].shape == (4, 5, 2)
    np.testing.assert_allclose(plain(outputs[1]), plain(outputs[0]), rtol=1e-6)


def test_random_numbers_under_vmap():
    def noisy(a):
        return a + torchcompat.rand(3)

    f = torchcompat.func
    same = plain(f.vmap(noisy, randomness="same")(torchcompat.zeros(4, 3)))
    assert (same == same[0]).all() and 0 < same.min() < same.max() < 1
    different = plain(f.vmap(noisy, randomness="different")(torchcompat.zeros(4, 3)))
    assert len(np.unique(different)) == 12
    again = plain(f.vmap(noisy, randomness="different")(torchcompat.zeros(4, 3)))
    assert not np.array_equal(different, again)
    torchcompat.rand(2)  # the refusal of the other mode ends with the call


def test_arrays_in_arrays_out():
    a = jax.numpy.arange(3.0)
    f = types.SimpleNamespace(**{n: getattr(torchcompat.func, n) for n in torchcompat.func.__all__})
    results = [
        f.grad(lambda v: torchcompat.sin(v).sum())(a),
        f.vmap(lambda v: torchcompat.exp(v))(a),
        f.jacrev(lambda v: torchcompat.exp(v))(a),
        f.vjp(torchcompat.sin, a)[0],
        jax.jit(f.grad(lambda v: torchcompat.sin(v).sum()))(a),
    ]
    assert all(isinstance(one, jax.Array) for one in results)
    np.testing.assert_allclose(results[0], np.cos(np.asarray(a)), rtol=1e-6)
    np.testing.assert_allclose(results[4], results[0])


def test_linearize():
    """Against the derivative by hand: torch's own warns of its tracer when it is called."""
    output, along = torchcompat.func.linearize(lambda a: a**3, x(torchcompat))
    np.testing.assert_allclose(plain(output), [1, 8, 27], rtol=1e-6)
    for scale in (1.0, 0.5):
        direction = torchcompat.full((3,), scale)
        np.testing.assert_allclose(
            plain(along(direction)), np.array([3, 12, 27]) * scale, rtol=1e-6
        )


def test_batch_norm_without_statistics():
    model = torchcompat.nn.Sequential(torchcompat.nn.BatchNorm1d(3))
    assert torchcompat.func.replace_all_batch_norm_modules_(model) is model
    assert model[0].running_mean is None and not model[0].track_running_stats
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
