"""compare_models: planted faults are named, agreement is agreement, nothing is changed."""

import json

import numpy as np
import pytest
import torch as real

import converters
import torchcompat as ours_lib
from converters.parity import compare_models


def build(torch):
    """The same model in either library."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(8)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.up = nn.Linear(8, 8)
            self.act = nn.GELU()
            self.down = nn.Linear(8, 8)
            self.activation = torch.nn.functional.relu
            self.residual = lambda x: x

        def forward(self, x):
            normed = self.norm(x)
            attended, weights = self.attention(normed, normed, normed)
            x = self.residual(x) + attended
            return x + self.down(self.activation(self.act(self.up(x))) + 0.5)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(3, 8, 3, stride=1, padding=1),
                nn.BatchNorm2d(8),
                nn.LeakyReLU(0.1, inplace=True),
                nn.MaxPool2d(2, 2),
                nn.GroupNorm(2, 8),
            )
            self.embed = nn.Embedding(5, 8)
            self.blocks = nn.ModuleList([Block(), Block()])
            self.head = nn.Linear(8, 4)
            self.last = nn.Softmax(dim=-1)
            self.finish = lambda x: x * 2

        def forward(self, image, ids, scale=None):
            x = self.stem(image).flatten(2).transpose(1, 2) + self.embed(ids)[:, None]
            for block in self.blocks:
                x = block(x)
            probs = self.last(self.head(x))
            return {"probs": self.finish(probs), "hidden": x}

    return Net()


@pytest.fixture(scope="module")
def theirs():
    real.manual_seed(0)
    model = build(real)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 2)
    return model.eval()


@pytest.fixture
def ours(theirs):
    model = build(ours_lib).eval()
    model.load_state_dict(converters.from_torch(theirs.state_dict()))
    return model


@pytest.fixture(scope="module")
def inputs():
    return real.randn(2, 3, 4, 4), real.tensor([1, 4])


def test_equal_models_agree(theirs, ours, inputs):
    report = compare_models(theirs, ours, *inputs)
    assert report.ok and report.backward, str(report)
    assert report.first_divergence is None and report.first_backward_divergence is None
    assert not report.weights and not report.only_in_torch and not report.only_in_ours
    assert [row.module for row in report.rows][:3] == ["stem.0", "stem.1", "stem.2"]
    assert report.rows[-1].module == "" and report.rows[-1].kind == "Net"
    assert all(row.output.max_abs < 1e-5 for row in report.rows)
    graded = {row.module for row in report.rows if row.gradient}
    assert {"stem.0", "stem.3", "blocks.0.act", "blocks.1.attention", "head"} <= graded
    assert str(report).endswith("forward: agrees\nbackward: agrees")


def swap(path, make):
    """Replaces a module of ours."""

    def change(model):
        home, _, name = path.rpartition(".")
        setattr(model.get_submodule(home), name, make(model.get_submodule(path)))

    return change


def attribute(path, name, value):
    return lambda model: setattr(model.get_submodule(path), name, value)


def values(path, name, function):
    def change(model):
        member = getattr(model.get_submodule(path), name)
        with ours_lib.no_grad():
            member.copy_(function(member.detach().clone()))

    return change


N, F = ours_lib.nn, ours_lib.nn.functional
# name -> (what is wrong in ours, the module to be named, the reason)
PLANTED = {
    "batch norm's epsilon": (attribute("stem.1", "eps", 1e-3), "stem.1", "output"),
    "layer norm's epsilon": (attribute("blocks.1.norm", "eps", 1e-2), "blocks.1.norm", "output"),
    "padding mode": (
        lambda model: (
            attribute("stem.0", "padding_mode", "reflect")(model)
            or attribute("stem.0", "_reversed_padding_repeated_twice", [1, 1, 1, 1])(model)
        ),
        "stem.0",
        "output",
    ),
    "padding": (attribute("stem.0", "padding", (2, 2)), "stem.0", "output"),
    "dilation": (
        lambda model: (
            attribute("stem.0", "dilation", (2, 2))(model)
            or attribute("stem.0", "padding", (2, 2))(model)
        ),
        "stem.0",
        "output",
    ),
    "transposed weight": (
        values("blocks.0.up", "weight", lambda w: w.t()),
        "blocks.0.up",
        "output",
    ),
    "activation": (
        swap("blocks.1.act", lambda old: N.GELU(approximate="tanh")),
        "blocks.1.act",
        "output",
    ),
    "slope": (attribute("stem.2", "negative_slope", 0.01), "stem.2", "output"),
    "pooling": (swap("stem.3", lambda old: N.AvgPool2d(2, 2)), "stem.3", "output"),
    "groups": (attribute("stem.4", "num_groups", 4), "stem.4", "output"),
    "heads": (
        lambda model: (
            attribute("blocks.0.attention", "num_heads", 4)(model)
            or attribute("blocks.0.attention", "head_dim", 2)(model)
        ),
        "blocks.0.attention",
        "output",
    ),
    "missing bias": (attribute("head", "bias", None), "head", "output"),
    "dimension": (attribute("last", "dim", 1), "last", "output"),
    "running mean": (
        values("stem.1", "running_mean", lambda m: m * 0),
        "stem.1",
        "output",
    ),
    "embedding row": (values("embed", "weight", lambda w: w.flip(0)), "embed", "output"),
    "function in forward": (attribute("blocks.1", "activation", F.silu), "blocks.1", "own code"),
    "residual": (attribute("blocks.0", "residual", lambda x: x * 0.5), "blocks.0", "own code"),
    "last step": (attribute("", "finish", lambda x: x * 3), "", "own code"),
    "another block's weights": (
        lambda model: setattr(model.blocks[1], "down", model.blocks[0].down),
        "blocks.1",
        "own code",
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_faults_are_named(fault, theirs, ours, inputs):
    plant, module, reason = PLANTED[fault]
    plant(ours)
    report = compare_models(theirs, ours, *inputs, backward=False)
    found = report.first_divergence
    assert found is not None and not report.ok, str(report)
    assert (found.module, found.reason) == (module, reason), str(report)
    assert found.max_abs > 1e-4 and f"first diverges at {found}" in str(report)


def test_small_errors_are_found_in_double_precision(theirs, ours, inputs):
    ours.blocks[0].norm.eps = 1.1e-5
    assert compare_models(theirs, ours, *inputs, backward=False).ok
    theirs64 = build(real).eval()
    theirs64.load_state_dict(theirs.state_dict())
    report = compare_models(theirs64.double(), ours.double(), inputs[0].double(), inputs[1])
    assert report.first_divergence.module == "blocks.0.norm", str(report)
    assert report.first_divergence.max_rel < 1e-5


def test_the_exception_of_ours_is_reported(theirs, ours, inputs):
    ours.blocks[1].up = N.Linear(7, 8)
    report = compare_models(theirs, ours, *inputs)
    found = report.first_divergence
    assert (found.module, found.reason) == ("blocks.1.up", "error")
    assert "ours raised RuntimeError: mat1 and mat2" in found.detail and not report.backward
    assert report.weights["blocks.1.up.weight"] == "values differs: shape (8, 7) for (8, 8)"


class Short(N.Sequential):
    def forward(self, x):
        return self[2](self[0](x))


def test_modules_that_are_not_called():
    layers = real.nn.Linear(3, 3), real.nn.ReLU(), real.nn.Linear(3, 3)
    theirs = real.nn.Sequential(*layers, real.nn.Identity())
    ours = Short(*converters.from_torch(theirs)[:3])
    ours.extra = N.ReLU()
    report = compare_models(theirs, ours, np.ones((2, 3), np.float32), backward=False)
    assert report.only_in_torch == ["3"] and report.only_in_ours == ["extra"]
    found = report.first_divergence
    assert (found.module, found.reason) == ("1", "not called")
    assert str(found) == "1 (ReLU): ours does not call it"
    assert report.rows[1].output is None and "only in torch's model: 3" in str(report)


class DetachingGELU(N.GELU):
    def forward(self, x):
        return super().forward(x).detach() + 0.0 * x


def test_backward_faults_are_named(theirs, ours, inputs):
    ours.blocks[1].act = DetachingGELU()
    report = compare_models(theirs, ours, *inputs)
    assert report.first_divergence is None
    found = report.first_backward_divergence
    assert (found.module, found.reason) == ("blocks.1.act", "gradient"), str(report)
    assert "backward: first diverges at blocks.1.act" in str(report)


def test_backward_faults_in_own_code_are_named(theirs, ours, inputs):
    ours.blocks[1].activation = lambda x: F.relu(x).detach() + 0.0 * x
    report = compare_models(theirs, ours, *inputs)
    found = report.first_backward_divergence
    assert report.first_divergence is None
    assert (found.module, found.reason) == ("blocks.1", "own code"), str(report)


def test_frozen_parameters_show(theirs, ours, inputs):
    ours.head.weight.requires_grad_(False)
    report = compare_models(theirs, ours, *inputs)
    found = report.first_backward_divergence
    assert found.module == "head" and "no gradient in ours" in found.detail
    assert report.first_divergence is None


def test_models_are_left_as_they_were(theirs, ours, inputs):
    theirs.train(), ours.train()
    ours.head.weight.grad = ours_lib.ones(4, 8)
    before = {k: v.clone().numpy() for k, v in theirs.state_dict().items()}
    report = compare_models(theirs, ours, *inputs)
    theirs.eval()
    assert report.ok, str(report)
    for model in (theirs, ours):
        for name, value in model.state_dict().items():
            np.testing.assert_array_equal(np.asarray(value), before[name], err_msg=name)
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert ours.head.weight.grad.tolist() == [[1] * 8] * 4
    assert theirs.head.weight.grad is None


def test_notes_on_modes(inputs):
    theirs = real.nn.Sequential(real.nn.Linear(3, 3), real.nn.Dropout())
    ours = converters.from_torch(theirs).eval()
    report = compare_models(theirs, ours, np.ones((2, 3), np.float32))
    assert report.first_divergence.module == "1"
    assert report.notes == [
        "note: (model) is training in torch's model only",
        "note: 0 is training in torch's model only",
        "note: 1 is training in torch's model only",
        "note: 1 is random in training mode",
    ]


def test_modules_that_are_called_again_and_keywords(inputs):
    class Twice:
        def forward(self, x, *, times):
            for _ in range(times):
                x = self.fc(x)
            return (x,)

    def make(torch):
        kind = type("Net", (Twice, torch.nn.Module), {})
        model = kind()
        model.fc = torch.nn.Linear(3, 3)
        return model

    theirs, ours = make(real), make(ours_lib)
    ours.load_state_dict(converters.from_torch(theirs.state_dict()))
    report = compare_models(theirs, ours, ours_lib.ones(2, 3), times=3)
    assert report.ok and [(r.module, r.call) for r in report.rows] == [
        ("fc", 0),
        ("fc", 1),
        ("fc", 2),
        ("", 0),
    ]
    assert "fc (call 3)" in report.table()


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64"])
def test_other_dtypes(kind):
    theirs = real.nn.Sequential(real.nn.Linear(8, 8), real.nn.Tanh()).to(getattr(real, kind))
    ours = converters.from_torch(theirs)
    x = real.randn(4, 8).to(getattr(real, kind))
    report = compare_models(theirs, ours, x)
    assert report.ok, str(report)
    ours[1] = N.Sigmoid()
    assert compare_models(theirs, ours, x).first_divergence.module == "1"


def test_table_and_json(tmp_path):
    theirs = real.nn.Sequential(real.nn.Linear(2, 2, bias=False), real.nn.ReLU()).eval()
    with real.no_grad():
        theirs[0].weight.copy_(real.eye(2))
    ours = converters.from_torch(theirs)
    ours[1] = N.Identity().eval()
    report = compare_models(theirs, ours, np.array([[1.0, -0.5]], np.float32), backward=False)
    assert str(report).splitlines() == [
        "    module    class         max abs    max rel",
        "──────────────────────────────────────────────",
        "    0         Linear       0.00e+00   0.00e+00",
        "!   1         ReLU         5.00e-01   5.00e-01",
        "!   (model)   Sequential   5.00e-01   5.00e-01",
        "forward: first diverges at 1 (ReLU): output differs by 5.00e-01 (relative 5.00e-01)",
    ]
    report.save(tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["first_divergence"]["module"] == "1" and not found["ok"]
    assert found["rows"][1]["output"] == {
        "max_abs": 0.5,
        "max_rel": 0.5,
        "ok": False,
        "detail": "",
    }


def test_tolerances_can_be_given():
    theirs = real.nn.Linear(2, 2)
    ours = converters.from_torch(theirs)
    with ours_lib.no_grad():
        ours.bias.add_(0.01)
    x = real.ones(1, 2)
    assert not compare_models(theirs, ours, x).ok
    report = compare_models(theirs, ours, x, rtol=0, atol=0.02)
    assert report.ok and not report.weights
    assert "bias" in compare_models(theirs, ours, x).weights


def shared():
    layer = real.nn.Linear(3, 3)
    return real.nn.Sequential(layer, real.nn.ReLU(inplace=True), layer, real.nn.Identity())


CORRECT = {
    "LSTM": (lambda: real.nn.LSTM(3, 4, batch_first=True), (2, 3, 3)),
    "shared module, in-place activation": (shared, (2, 3)),
    "batch norm while training": (
        lambda: real.nn.Sequential(real.nn.Linear(3, 2), real.nn.BatchNorm1d(2)),
        (4, 3),
    ),
}


@pytest.mark.parametrize("name", CORRECT)
def test_correct_models_agree(name):
    make, shape = CORRECT[name]
    theirs = make()
    report = compare_models(theirs, converters.from_torch(theirs), real.randn(shape))
    assert report.ok and report.backward and not report.notes, str(report)
