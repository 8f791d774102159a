"""`functorch` of torch's wheel, from its own files, on torchcompat: modules as functions, and moved names."""

import warnings

import functorch as theirs
import pytest
import torch
from torchcompat.ported.functorch.experimental import chunk_vmap

import torchcompat
from torchcompat.ported import functorch as ours

LIBRARIES = ((torch, theirs), (torchcompat, ours))


def net(t):
    t.manual_seed(0)
    return t.nn.Sequential(t.nn.Linear(2, 3), t.nn.BatchNorm1d(3))


def tied(t):
    class Tied(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.a = self.b = t.nn.Linear(2, 2)

        def forward(self, x):
            return self.a(x) + self.b(x)

    t.manual_seed(0)
    return Tied()


def with_buffers(t, f):
    function, params, buffers = f.make_functional_with_buffers(net(t).eval())
    grads = f.grad(lambda p: function(p, buffers, t.arange(4.0).view(2, 2)).pow(2).sum())(params)
    names = function.param_names, function.buffer_names
    return names, grads, buffers, [p.device.type for p in function.parameters()], repr(function)


def without_buffers(t, f):
    function, params = f.make_functional(tied(t), disable_autograd_tracking=True)
    return function(params, t.ones(1, 2)), [p.requires_grad for p in params], function.param_names


def ensemble(t, f):
    models = [net(t) for _ in range(3)]
    for model in models:
        model.eval()
    function, params, buffers = f.combine_state_for_ensemble(models)
    run = f.vmap(function, in_dims=(0, 0, None))
    return run(params, buffers, t.ones(4, 2)), [(p.requires_grad, p.shape) for p in params]


def errors(t, f):
    found = []
    for models in ([], [net(t), net(t).eval()], [net(t), t.nn.ReLU()]):
        with pytest.raises(RuntimeError) as error:
            f.combine_state_for_ensemble(models)
        found.append(str(error.value))
    with pytest.raises(RuntimeError) as error:
        f.make_functional(net(t))
    return [*found, str(error.value)]


def moved(t, f):
    names = ("vmap", "grad", "jacrev", "functionalize", "make_functional")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for name in names:
            getattr(f, name)(t.nn.ReLU() if name == "make_functional" else t.sin)
    return [str(one.message) for one in told if one.category is FutureWarning]


def plain(x):
    if isinstance(x, (torch.Tensor, torchcompat.Tensor)):
        return [round(v, 4) for v in x.detach().reshape(-1).tolist()]
    return [plain(one) for one in x] if isinstance(x, (list, tuple)) else x


@pytest.mark.parametrize("scenario", [with_buffers, without_buffers, ensemble, errors, moved])
def test_same_as_torch(scenario):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, found = (plain(scenario(t, f)) for t, f in LIBRARIES)
    assert found == expected


def test_models_made_functional_at_once():
    from torchcompat._functorch.make_functional import functional_init, functional_init_with_buffers

    weights, function, names = functional_init(torchcompat.nn.Linear, (3,))(2, 4)
    assert [tuple(w.shape) for w in weights] == [(3, 4, 2), (3, 4)]
    assert names == ("weight", "bias")
    assert function([w[0] for w in weights], torchcompat.ones(5, 2)).shape == (5, 4)
    _, buffers, *_ = functional_init_with_buffers(torchcompat.nn.BatchNorm1d)(3)
    assert [tuple(b.shape) for b in buffers] == [(3,), (3,), ()]
    with pytest.raises(ValueError, match="NYI"):
        functional_init(torchcompat.nn.Linear, (3, 2))(2, 4)


def test_in_chunks():
    assert chunk_vmap(torchcompat.sin)(torchcompat.zeros(4)).tolist() == [0] * 4
