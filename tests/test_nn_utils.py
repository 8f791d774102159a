"""nn.utils besides parametrizations and pruning, under both libraries."""

from __future__ import annotations

import copy
import pickle
import sys

import jax
import numpy as np
import pytest
from _both import attempt, both
from jax import numpy as jnp

import torchcompat
from torchcompat.func import functional_call

nn = torchcompat.nn
NAN, INF = float("nan"), float("inf")


def with_grads(torch, *grads):
    found = []
    for grad in grads:
        parameter = torch.nn.Parameter(torch.zeros(len(grad)))
        parameter.grad = torch.tensor(grad)
        found.append(parameter)
    return found


@both
def test_clip_grad_norm(torch):
    clip = torch.nn.utils.clip_grad_norm_
    for norm_type in (0, 1, 2, 3, -1, 2.5, INF, -INF, "inf", "fro"):
        held = with_grads(torch, [1.0, -2, 0], [3.0])
        yield attempt(clip, held, 1.0, norm_type), [p.grad for p in held]
    single = with_grads(torch, [1.0, NAN])[0]
    yield attempt(clip, single, 1.0, error_if_nonfinite=True), single.grad
    yield clip(single, 1.0), single.grad
    half = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    half.grad = torch.full((2,), 300.0, dtype=torch.float16)
    held = with_grads(torch, [1.0, 2])[0]
    yield clip([held, half, torch.nn.Parameter(torch.ones(1))], 1.0), held.grad, half.grad
    yield attempt(clip, [], 1.0), attempt(clip, (p for p in ()), 1.0)
    yield attempt(torch.nn.utils.clip_grad_norm, held, 0.1), held.grad
    yield attempt(clip, held, "a")


@both
def test_clipping_in_parts(torch):
    utils = torch.nn.utils
    yield utils.get_total_norm([torch.ones(2), torch.ones(3)]), utils.get_total_norm([])
    yield utils.get_total_norm(torch.ones(2, 2), 1.0)
    held = with_grads(torch, [3.0, 4])
    yield utils.clip_grads_with_norm_(held, 1.0, torch.tensor(5.0)), held[0].grad
    yield utils.clip_grad_value_(held, 0.7), held[0].grad
    yield attempt(utils.clip_grad_value_, [], 1.0), attempt(utils.clip_grad_value_, held, "a")
    odd = torch.nn.Parameter(torch.ones(1, dtype=torch.complex64))
    odd.grad = torch.ones(1, dtype=torch.complex64)
    yield attempt(utils.clip_grad_value_, odd, 1.0)


@both
def test_vectors(torch):
    utils = torch.nn.utils
    layer = torch.nn.Linear(2, 1)
    vector = torch.arange(3.0)
    utils.vector_to_parameters(vector, layer.parameters())
    yield layer.state_dict(), utils.parameters_to_vector(layer.parameters())
    vector[0] = 9
    yield layer.weight
    utils.parameters_to_vector(layer.parameters()).sum().backward()
    yield layer.weight.grad
    for vec in (vector[:1], 3):
        yield attempt(utils.vector_to_parameters, vec, layer.parameters())
    yield attempt(utils.parameters_to_vector, [])


@both
def test_fusion(torch):
    utils = torch.nn.utils
    for bias in (True, False):
        for kind, norm, shape in (("Conv2d", "BatchNorm2d", (1,)), ("Linear", "BatchNorm1d", ())):
            torch.manual_seed(0)
            layer = getattr(torch.nn, kind)(2, 4, *shape, bias=bias).eval()
            batch_norm = getattr(torch.nn, norm)(4).eval()
            batch_norm.running_mean.uniform_()
            batch_norm.running_var.uniform_()
            fuse = utils.fuse_conv_bn_eval if shape else utils.fuse_linear_bn_eval
            fused = fuse(layer, batch_norm)
            yield fused, fused.state_dict(), fused.weight.requires_grad, fused.bias.requires_grad
            x = torch.ones(2, 2, 1, 1) if shape else torch.ones(2, 2)
            yield bool(torch.allclose(fused(x), batch_norm(layer(x)), atol=1e-5))
            yield attempt(fuse, layer.train(), batch_norm)
            bare = getattr(torch.nn, norm)(4, track_running_stats=False).eval()
            yield attempt(fuse, layer.eval(), bare)
    yield attempt(utils.fuse_linear_bn_eval, layer, torch.nn.BatchNorm1d(3).eval())


@both
def test_skip_init(torch):
    skip_init = torch.nn.utils.skip_init
    for args in ((3,), (int,), (torch.nn.ReLU,)):
        yield attempt(skip_init, *args)
    layer = skip_init(torch.nn.Linear, 3, 4, dtype=torch.float64)
    yield layer, layer.weight.device.type, str(layer.weight.dtype), layer.weight.shape


@both
def test_stateless(torch):
    call = torch.nn.utils.stateless.functional_call
    layer = torch.nn.Linear(2, 1)
    ones = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    x = torch.ones(1, 2)
    yield attempt(call, layer, ones, x)
    for values in ({"weight": 3}, {"a.b": x}, {"": x}, {"training": x}):
        for strict in (False, True):
            yield attempt(torch.func.functional_call, layer, values, x, strict=strict)

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))
            self.scale = torch.ones(1)

        def forward(self, x):
            self.count = self.count + 1
            return x * self.scale + self.count

    model, values = Counting(), {"count": torch.ones(1), "scale": torch.full((1,), 5.0)}
    yield torch.func.functional_call(model, values, x), values, model.count, model.scale
    model.child = torch.nn.Linear(2, 2)
    model.child.parent = model
    values = {"child.parent.count": torch.ones(1), "child.weight": torch.ones(2, 2)}
    yield torch.func.functional_call(model, values, x, tie_weights=False), model.count


@both
def test_weight_norm_by_a_hook(torch):
    utils = torch.nn.utils
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    yield attempt(utils.weight_norm, layer)
    yield layer.state_dict(), layer.weight, [n for n, _ in layer.named_parameters()]
    layer(torch.ones(1, 3)).sum().backward()
    yield [p.grad for p in layer.parameters()], attempt(copy.deepcopy, layer)
    yield pickle.loads(pickle.dumps(layer)).state_dict()
    yield attempt(utils.weight_norm, layer), attempt(utils.remove_weight_norm, layer, "bias")
    yield utils.remove_weight_norm(layer) is layer, layer.state_dict()
    yield attempt(utils.remove_weight_norm, layer)


@both
def test_spectral_norm_by_a_hook(torch):
    utils = torch.nn.utils
    torch.manual_seed(0)
    layer = utils.spectral_norm(torch.nn.Linear(2, 3))
    yield layer, layer.state_dict(), layer.state_dict()._metadata, layer.weight
    layer(torch.ones(1, 2)).sum().backward()
    yield [p.grad for p in layer.parameters()], layer.weight, layer.state_dict()
    layer.eval()(torch.ones(1, 2))
    yield layer.weight, layer.state_dict()
    current = layer.state_dict()
    older = {k: v for k, v in current.items() if not k.endswith("_v")}
    older["weight"] = current["weight_orig"] / 2.5
    twin = utils.spectral_norm(torch.nn.Linear(2, 3))
    yield twin.load_state_dict(older), twin.weight_v, twin.load_state_dict(dict(current))
    del older["weight"]
    yield attempt(twin.load_state_dict, older), attempt(utils.spectral_norm, twin)
    yield attempt(utils.spectral_norm, torch.nn.Linear(2, 2, bias=False), "bias")
    yield attempt(utils.spectral_norm, torch.nn.Linear(2, 2), n_power_iterations=0)
    yield utils.remove_spectral_norm(layer) is layer, layer.state_dict()
    yield attempt(utils.remove_spectral_norm, layer)


@both
def test_member_accessor(torch):
    module = sys.modules[f"{torch.__name__}.nn.utils._named_member_accessor"]
    model = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.BatchNorm1d(1))
    access = module.NamedMemberAccessor(model)
    yield [n for n, _ in access.named_tensors()], [n for n, _ in access.named_modules()]
    access.set_tensor("0.weight", torch.full((1, 1), 2.0))
    yield access.get_tensor("0.weight"), access.get_submodule("1")
    before, missing = access.swap_tensors_dict({"0.weight": torch.ones(1, 1)})
    yield before, missing, access.check_keys(["0.weight", "a"])
    yield attempt(access.get_tensor, "0.absent"), attempt(access.get_submodule, "a.b")
    yield attempt(access.swap_tensors_dict, {"0.absent": torch.ones(1)})
    yield attempt(access.set_tensors, ["a"], []), attempt(access.set_tensor, "0.weight", 3)
    access.del_tensor("0.weight")
    yield list(model.state_dict()), attempt(access.del_tensor, "0.weight")


# -- torchcompat alone -----------------------------------------------------------------------------

X = jnp.arange(6.0).reshape(2, 3) / 5


def hooked(apply):
    torchcompat.manual_seed(0)
    layers = nn.Linear(3, 4), nn.Linear(4, 2)
    return nn.Sequential(apply(layers[0]), nn.ReLU(), apply(layers[1]))


def step(model, forward):
    model.zero_grad()
    forward(torchcompat.as_tensor(np.asarray(X))).square().sum().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    with torchcompat.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.1 * parameter.grad)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("apply", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_hooks_compiled_and_under_jax(apply):
    eager, ours, whole = hooked(apply), hooked(apply), hooked(apply)
    compiled = torchcompat.compile(ours)
    compiled_step = torchcompat.compile(lambda: step(whole, whole))
    for _ in range(3):
        step(eager, eager)
        step(ours, compiled)
        compiled_step()
    for name, value in eager.state_dict().items():
        for other in (ours, whole):
            np.testing.assert_allclose(value, other.state_dict()[name], rtol=1e-4, atol=1e-6)
    eager.eval(), ours.eval()
    np.testing.assert_allclose(compiled(X), eager(X), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(lambda m, x: m(x))(ours, X), eager(X), rtol=1e-5)
    weights = {name: p._read() for name, p in ours.named_parameters()}
    grads = jax.jit(jax.grad(lambda w: functional_call(ours, w, (X,)).sum()))(weights)
    eager.zero_grad()
    eager(torchcompat.as_tensor(np.asarray(X))).sum().backward()
    for name, parameter in eager.named_parameters():
        np.testing.assert_allclose(grads[name], parameter.grad, rtol=1e-4, atol=1e-6)
    assert not isinstance(ours[0].weight._read(), jax.core.Tracer)


def test_nonfinite_is_refused_while_tracing():
    def clip(grad):
        parameter = nn.Parameter(torchcompat.zeros(2))
        parameter.grad = torchcompat.as_tensor(grad)
        return nn.utils.clip_grad_norm_(parameter, 1.0, error_if_nonfinite=True)._read()

    with pytest.raises(NotImplementedError, match="error_if_nonfinite"):
        jax.jit(clip)(jnp.ones(2))


def test_a_view_of_an_outside_parameter_under_jit():
    weight = nn.Parameter(torchcompat.arange(6.0).view(2, 3))
    found = jax.jit(lambda x: (torchcompat.as_tensor(x) @ weight.mT)._read())(jnp.ones((1, 3)))
    np.testing.assert_allclose(found, [[3.0, 12.0]])
