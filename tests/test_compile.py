"""`compile`: state carried, changes noticed, hooks, nested inputs, no tracer left behind."""

import gc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch as real

import torchcompat as torch
from torchcompat import nn

RUNS = []


class Counted(nn.Module):
    """Notes in RUNS how often its forward is traced or run."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)
        RUNS.clear()

    def forward(self, x, scale=1):
        RUNS.append(scale)
        return self.linear(x) * scale


def values(tensor):
    return np.asarray(tensor)


def test_one_trace_a_signature():
    model = Counted()
    fast = torch.compile(model)
    for _ in range(3):
        fast(torch.ones(4, 3))
    assert len(RUNS) == 1
    fast(torch.ones(5, 3))
    fast(torch.ones(4, 3), scale=2)
    fast(torch.ones(4, 3).double().float(), scale=2)
    assert RUNS == [1, 1, 2]


def test_result_equals_eager_and_kind_follows_input():
    model = Counted()
    fast = torch.compile(model)
    x = torch.randn(4, 3)
    np.testing.assert_allclose(values(fast(x)), values(model(x)), rtol=1e-6)
    assert isinstance(fast(x), torch.Tensor)
    assert isinstance(fast(jnp.ones((4, 3))), jax.Array)


def test_parameters_are_inputs_not_constants():
    model = nn.Linear(3, 2)
    fast = torch.compile(model)
    x = torch.ones(1, 3)
    fast(x)
    with torch.no_grad():
        model.weight.fill_(2)
        model.bias.zero_()
    np.testing.assert_array_equal(values(fast(x)), [[6, 6]])
    model.weight.data = torch.ones(2, 3)
    np.testing.assert_array_equal(values(fast(x)), [[3, 3]])
    model.weight = nn.Parameter(torch.zeros(2, 3))
    np.testing.assert_array_equal(values(fast(x)), [[0, 0]])
    model.load_state_dict({"weight": torch.ones(2, 3) * 5, "bias": torch.ones(2)})
    np.testing.assert_array_equal(values(fast(x)), [[16, 16]])


def test_batch_norm_statistics_are_carried():
    ours, theirs = nn.BatchNorm1d(3), real.nn.BatchNorm1d(3)
    fast = torch.compile(ours)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = rng.normal(size=(8, 3)).astype(np.float32)
        np.testing.assert_allclose(
            values(fast(torch.from_numpy(x))), theirs(real.from_numpy(x)).detach(), atol=1e-5
        )
    for name, expected in theirs.state_dict().items():
        np.testing.assert_allclose(values(ours.state_dict()[name]), expected, atol=1e-6)
    assert ours.num_batches_tracked.item() == 3


def test_train_and_eval_switch_and_hit_the_cache_again():
    model = nn.Sequential(Counted(), nn.BatchNorm1d(2))
    fast = torch.compile(model)
    x = torch.randn(4, 3)
    fast(x)
    model.eval()
    one = values(fast(x))
    np.testing.assert_allclose(one, values(model(x)), rtol=1e-5)
    runs = len(RUNS)
    model.train()
    fast(x)
    model.eval()
    fast(x)
    assert len(RUNS) == runs


def test_generator_state_is_carried():
    model = nn.Dropout(0.5)
    fast = torch.compile(model)
    x = torch.ones(1000)
    torch.manual_seed(3)
    first, second = values(fast(x)), values(fast(x))
    assert (first != second).any()
    assert 0.4 < (first == 0).mean() < 0.6
    torch.manual_seed(3)
    np.testing.assert_array_equal(values(fast(x)), first)
    np.testing.assert_array_equal(values(fast(x)), second)


def test_function_with_closed_over_state():
    total = torch.zeros(2)
    layer = nn.Linear(2, 2)

    @torch.compile
    def step(x):
        total.add_(x)
        return layer(total)

    for i in range(1, 4):
        np.testing.assert_allclose(
            values(step(torch.ones(2))), values(layer(torch.full((2,), float(i)))), rtol=1e-6
        )
    np.testing.assert_array_equal(values(total), [3, 3])


def test_nested_inputs_and_outputs():
    @torch.compile
    def f(batch, *, mode, pair):
        a, b = pair
        return {"sum": batch["x"] + a["y"], "list": [b, mode], "none": None}

    out = f({"x": torch.ones(2)}, mode="m", pair=({"y": jnp.ones(2)}, torch.zeros(1)))
    np.testing.assert_array_equal(values(out["sum"]), [2, 2])
    assert out["list"][1] == "m" and out["none"] is None


def test_arguments_written_in_place():
    @torch.compile
    def f(x):
        x[0] += 1
        return x.sum()

    x = torch.zeros(3)
    assert f(x).item() == 1
    assert f(x).item() == 2
    np.testing.assert_array_equal(values(x), [2, 0, 0])


def test_hook_that_looks_sees_concrete_values_once_a_call():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    fast = torch.compile(model)
    x = torch.randn(2, 3)
    fast(x)
    seen = []
    handle = model[0].register_forward_hook(lambda m, args, out: seen.append((args[0], out)))
    for i in range(1, 4):
        fast(x)
        assert len(seen) == i
    expected = values(nn.functional.linear(x, model[0].weight, model[0].bias))
    for given, out in seen:
        np.testing.assert_array_equal(values(given), values(x))
        np.testing.assert_allclose(values(out), expected, rtol=1e-6)
    handle.remove()
    fast(x)
    assert len(seen) == 3


def test_hook_that_returns_a_value_is_compiled_in():
    model = nn.Linear(3, 3)
    fast = torch.compile(model)
    x = torch.randn(2, 3)
    plain = values(model(x))
    calls = []

    def double(module, args, out):
        calls.append(1)
        return out * 2

    handle = model.register_forward_hook(double)
    for _ in range(4):
        np.testing.assert_allclose(values(fast(x)), 2 * plain, rtol=1e-6)
    assert len(calls) <= 2
    handle.remove()
    np.testing.assert_allclose(values(fast(x)), plain, rtol=1e-6)


def test_pre_hook_that_replaces_the_input():
    model = nn.Linear(3, 3)
    fast = torch.compile(model)
    x = torch.randn(2, 3)
    model.register_forward_pre_hook(lambda m, args: (args[0] * 0,))
    for _ in range(3):
        np.testing.assert_allclose(values(fast(x)), np.broadcast_to(values(model.bias), (2, 3)))


def test_no_tracer_is_left_behind():
    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            self.last = self.linear(x)
            self.parts = [self.last[0], {"half": self.last / 2}]
            return self.last * 2

    model = Keeps()
    fast = torch.compile(model)
    for scale in (1.0, 2.0):
        x = torch.ones(2, 2) * scale
        out = values(fast(x))
        np.testing.assert_allclose(values(model.last) * 2, out, rtol=1e-6)
        np.testing.assert_allclose(values(model.parts[0]) * 2, out[0], rtol=1e-6)
        np.testing.assert_allclose(values(model.parts[1]["half"]) * 4, out, rtol=1e-6)
    gc.collect()
    with jax.checking_leaks():
        fresh = torch.compile(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.1)))
        fresh(torch.ones(3, 2))


def test_views_of_state_are_read_anew():
    weight = torch.arange(6.0).view(2, 3)
    row = weight[1]

    @torch.compile
    def f(x):
        return x * row

    np.testing.assert_array_equal(values(f(torch.ones(3))), [3, 4, 5])
    weight.mul_(2)
    np.testing.assert_array_equal(values(f(torch.ones(3))), [6, 8, 10])


def test_tied_weights_stay_tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(2, 2, bias=False)
            self.b = nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x))

    model = Tied()
    fast = torch.compile(model)
    x = torch.ones(1, 2)
    np.testing.assert_allclose(values(fast(x)), values(model(x)), rtol=1e-6)
    with torch.no_grad():
        model.a.weight.fill_(1)
    np.testing.assert_array_equal(values(fast(x)), [[4, 4]])


def test_structure_changes_are_noticed():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    fast = torch.compile(model)
    x = torch.ones(1, 2)
    fast(x)
    model[1] = nn.Identity()
    np.testing.assert_allclose(values(fast(x)), values(model[0](x)), rtol=1e-6)
    model.append(nn.ReLU())
    np.testing.assert_allclose(values(fast(x)), np.maximum(values(model[0](x)), 0), rtol=1e-6)
    model.double()
    assert fast(x.double()).dtype is torch.float64


def test_compiled_module_is_a_module():
    model = nn.Linear(2, 2)
    fast = torch.compile(model)
    assert isinstance(fast, nn.Module)
    assert list(fast.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert repr(fast) == "OptimizedModule(\n  (_orig_mod): " + repr(model) + "\n)"
    assert fast.in_features == 2
    fast.eval()
    assert not model.training


def test_errors_in_forward_pass_through_and_leave_no_trace():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x):
            self.count += 1
            raise ValueError("no")

    model = Fails()
    with pytest.raises(ValueError, match="no"):
        torch.compile(model)(torch.ones(1))
    assert model.count.item() == 0


def test_unknown_option():
    with pytest.raises(TypeError, match="unexpected keyword argument 'speed'"):
        torch.compile(nn.Linear(1, 1), speed=1)
