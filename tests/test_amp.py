"""Autocast against torch on the CPU: which ops are cast, nesting, gradients; the gradient scaler."""

import numpy as np
import pytest
import torch
from torch.testing._internal.autocast_test_lists import AutocastCPUTestLists

import torchcompat as tc

pytestmark = pytest.mark.filterwarnings("ignore:.*CUDA is not available. Disabling")
# Expressions of a (2, 3) float32 `x`, a (3, 3) `w`, an image `i`, a kernel `k` and a volume `v`.
EXPRESSIONS = """x @ w
t.mm(x, w)
t.bmm(x[None], w[None])
t.matmul(x, w[0])
t.addmm(x, x, w)
t.baddbmm(x[None], x[None], w[None])
t.einsum('ij,jk->ik', x, w)
F.linear(x, w)
F.conv2d(i, k)
F.conv1d(i[:, 0], k[:, :, 0].repeat(1, 2, 1))
F.conv_transpose2d(i, k)
F.scaled_dot_product_attention(i, i, i)
F.prelu(x, w[0])
t.mv(w, x[0])
t.dot(x[0], x[1])
t.outer(x[0], x[1])
x.exp()
t.log(x.abs())
x.softmax(1)
F.layer_norm(x, (3,))
F.gelu(x)
F.softplus(x)
x.sum()
x.prod(1)
x.cumsum(0)
x.pow(2)
x.mean()
x.norm()
t.cat([x, x.bfloat16()])
t.stack([x, x.bfloat16()])
t.cat([x.bfloat16(), x.bfloat16()])
x + x.bfloat16()
x.bfloat16() * 2
F.mse_loss(x, x.bfloat16())
F.l1_loss(x.bfloat16(), x.bfloat16())
F.smooth_l1_loss(x.bfloat16(), x.bfloat16())
F.huber_loss(x.bfloat16(), x.bfloat16())
F.cross_entropy(x.bfloat16(), n)
F.nll_loss(x.bfloat16(), n)
F.binary_cross_entropy(x.sigmoid().bfloat16(), x.sigmoid().bfloat16())
F.binary_cross_entropy_with_logits(x.bfloat16(), x.bfloat16())
F.kl_div(x.bfloat16(), x.bfloat16(), reduction='batchmean')
F.cosine_embedding_loss(x.bfloat16(), x.bfloat16(), s)
F.soft_margin_loss(x.bfloat16(), s[:, None].bfloat16())
F.margin_ranking_loss(x[0].bfloat16(), x[1].bfloat16(), x[0].sign())
F.avg_pool3d(v.bfloat16(), 2)
F.adaptive_avg_pool3d(v.bfloat16(), 1)
F.max_pool3d(v.bfloat16(), 2)
F.avg_pool2d(i.bfloat16(), 2)
F.batch_norm(i.bfloat16(), None, None, training=True)
F.interpolate(i.bfloat16(), scale_factor=2)
F.grid_sample(i.bfloat16(), g.bfloat16(), align_corners=False)
t.cdist(x.bfloat16(), x.bfloat16())
t.linalg.norm(x.bfloat16())
t.linalg.inv(w.bfloat16())
t.linalg.qr(w.bfloat16())[0].abs()
t.quantile(x.bfloat16(), 0.5)
t.trace(w.bfloat16())
x.double() @ w.double()
n + 1
F.embedding(n, w)
F.dropout(x, 0.0)
F.relu(x.bfloat16())
F.tanh(x)
F.normalize(x)
F.multi_head_attention_forward(i[0], i[0], i[0], 4, 1, e, None, None, None, False, 0.0, e[:4], None)[0]
""".splitlines()


def arrays():
    rng = np.random.default_rng(0)
    shapes = {"x": (2, 3), "w": (3, 3), "i": (2, 2, 4, 4), "k": (2, 2, 3, 3), "v": (1, 1, 4, 4, 4)}
    made = {name: rng.standard_normal(shape).astype("f") for name, shape in shapes.items()}
    made["e"] = rng.standard_normal((12, 4)).astype("f")
    made["g"] = rng.uniform(-1, 1, (2, 3, 3, 2)).astype("f")
    return made | {"n": np.array([0, 2]), "s": np.array([1, -1])}


def evaluate(m, text, dtype, **options):
    names = {name: m.tensor(a) for name, a in arrays().items()}
    with m.autocast("cpu", dtype=getattr(m, dtype), **options):
        return eval(text, {"t": m, "F": m.nn.functional, **names})


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_dtype_and_value_are_torchs(text):
    ours, theirs = (evaluate(m, text, "bfloat16") for m in (tc, torch))
    assert str(ours.dtype) == str(theirs.dtype)
    tolerance = 1e-5 if ours.dtype in (tc.float32, tc.float64) and "@" not in text else 3e-2
    np.testing.assert_allclose(
        ours.double().numpy(), theirs.double().numpy(), rtol=tolerance, atol=tolerance
    )


def test_torchs_own_lists():
    lists = AutocastCPUTestLists(torch.device("cpu"))
    cast = 0
    for kind in ("torch_16", "torch_fp32"):
        for name, args, *_ in getattr(lists, kind):
            function = getattr(tc, name, None) or getattr(tc.nn.functional, name, None)
            if name.startswith("_") or function is None:
                continue
            args = [tc.tensor(a.float().numpy()) if torch.is_tensor(a) else a for a in args]
            with tc.autocast("cpu", dtype=tc.bfloat16):
                result = function(*args)
            wanted = tc.bfloat16 if kind == "torch_16" else tc.float32
            assert result.dtype is wanted, name
            cast += 1
    assert cast >= 15


def test_nested_and_disabled():
    a = tc.ones(2, 2)
    with tc.autocast("cpu"):
        assert (a @ a).dtype is tc.bfloat16
        with tc.autocast("cpu", enabled=False):
            assert (a @ a).dtype is tc.float32
        with tc.autocast("cpu", dtype=tc.float16):
            assert (a @ a).dtype is tc.float16
            assert tc.get_autocast_dtype("cpu") is tc.float16
        assert (a @ a).dtype is tc.bfloat16
    assert (a @ a).dtype is tc.float32 and not tc.is_autocast_enabled("cpu")

    @tc.autocast("cpu")
    def product(x):
        return x @ x

    assert product(a).dtype is tc.bfloat16


def test_an_error_leaves_the_context():
    with pytest.raises(ZeroDivisionError), tc.autocast("cpu"):
        raise ZeroDivisionError
    assert not tc.is_autocast_enabled("cpu")


@pytest.mark.parametrize("m", [torch, tc], ids=["torch", "torchcompat"])
def test_errors_and_warnings(m):
    with pytest.raises(RuntimeError):
        m.autocast("moon")
    with pytest.raises(ValueError):
        m.autocast(3)
    with pytest.warns(UserWarning, match="the target dtype is not supported. Disabling autocast"):
        context = m.autocast("cpu", dtype=m.float32)
    with context:
        assert not m.is_autocast_enabled("cpu")


@pytest.mark.parametrize("cache", [True, False])
def test_gradients(cache):
    def gradients(m):
        w = m.tensor(arrays()["w"], requires_grad=True)
        x = m.tensor(arrays()["x"])
        with m.autocast("cpu", cache_enabled=cache):
            out = (x @ w).relu() @ w
        out.sum().backward()
        assert str(w.grad.dtype) == "torch.float32"
        return w.grad.numpy()

    np.testing.assert_allclose(gradients(tc), gradients(torch), rtol=2e-2, atol=2e-2)


def test_compiled_programs_know_the_mode():
    model = tc.compile(tc.nn.Linear(3, 3).eval())
    x = tc.ones(2, 3)
    assert model(x).dtype is tc.float32
    with tc.autocast("cpu"):
        assert model(x).dtype is tc.bfloat16
    assert model(x).dtype is tc.float32


@pytest.mark.parametrize("m", [torch, tc], ids=["torch", "torchcompat"])
def test_custom_functions(m):
    seen = []

    class Double(m.autograd.Function):
        @staticmethod
        @m.amp.custom_fwd(device_type="cpu", cast_inputs=m.float32)
        def forward(ctx, x):
            seen.append((x.dtype, m.is_autocast_enabled("cpu")))
            return x * 2

        @staticmethod
        @m.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            seen.append((g.dtype, m.is_autocast_enabled("cpu")))
            return g * 2

    x = m.ones(2, dtype=m.bfloat16, requires_grad=True)
    with m.autocast("cpu"):
        out = Double.apply(x)
    out.sum().backward()
    assert seen == [(m.float32, False), (m.float32, False)]
    assert x.grad.tolist() == [2, 2]


def scaler_story(m):
    told = []
    p = m.nn.Parameter(m.ones(2))
    optimizer = m.optim.SGD([p], 0.1)
    scaler = m.amp.GradScaler("cpu", growth_interval=2)
    for factor in (1.0, 1.0, float("inf"), 2.0):
        optimizer.zero_grad()
        scaler.scale((p * factor).sum()).backward()
        scaler.unscale_(optimizer)
        told.append(p.grad.tolist())
        scaler.step(optimizer)
        scaler.update()
        told += [p.detach().tolist(), scaler.state_dict()]
    other = m.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    told.append(other.state_dict())
    told.append([t.tolist() for t in other.scale([m.ones(1), m.ones(2)])])
    return told


def test_grad_scaler():
    assert str(scaler_story(tc)) == str(scaler_story(torch))


SCALER_ERRORS = {
    "update first": lambda s, o, m: s.update(),
    "unscale first": lambda s, o, m: s.unscale_(o),
    "no gradients": lambda s, o, m: (s.scale(m.ones(1)), s.step(o)),
    "closure": lambda s, o, m: s.step(o, closure=lambda: 1),
    "empty state": lambda s, o, m: s.load_state_dict({}),
    "no tensors": lambda s, o, m: s.scale(3),
    "growth": lambda s, o, m: m.amp.GradScaler("cpu", growth_factor=1.0),
}


@pytest.mark.parametrize("name", SCALER_ERRORS)
def test_grad_scaler_errors(name):
    told = []
    for m in (torch, tc):
        scaler = m.amp.GradScaler("cpu")
        optimizer = m.optim.SGD([m.nn.Parameter(m.ones(1))], 0.1)
        with pytest.raises(Exception) as error:
            SCALER_ERRORS[name](scaler, optimizer, m)
        told.append((error.type, str(error.value)))
    assert told[0] == told[1]


def test_disabled_scaler_hands_on():
    scaler = tc.amp.GradScaler("cpu", enabled=False)
    assert scaler.scale(tc.ones(1)).tolist() == [1] and scaler.get_scale() == 1
    assert scaler.state_dict() == {}
