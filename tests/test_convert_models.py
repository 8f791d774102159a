"""from_torch and to_torch of whole models: classes of users and of packages, hooks, what is refused."""

import functools
import types
import warnings

import numpy as np
import pytest
import torch as real
import torch.nn.functional as functional
import torch.nn.utils.prune as prune

import converters
import torchcompat as torch
from tests._module_cases import NAMES, cases
from tests._ported import WHOLE
from torchcompat import nn

SCALE = real.tensor([2.0])


def scaled(x):
    return functional.gelu(x) * SCALE


class Config:
    """A plain object that a model holds."""

    def __init__(self, width):
        self.width, self.act, self.dtype = width, functional.relu, real.float32


class Base(real.nn.Module):
    factor = 3.0

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.lin = real.nn.Linear(4, config.width)
        self.register_buffer("shift", real.ones(config.width), persistent=False)

    def forward(self, x):
        return self.config.act(scaled(self.lin(x))) * self.factor + self.shift


def local_class():
    """A class of a function's body, with a closure, properties and a decorator of torch's."""
    width = 8

    class Child(Base):
        def __init__(self):
            super().__init__(Config(width))
            self.clip = lambda x: x.clamp(min=0.1)
            self.leaky = functools.partial(functional.leaky_relu, negative_slope=0.3)
            self.blocks = real.nn.ModuleList([real.nn.Linear(8, 8), real.nn.Dropout(0.1)])
            self.tied = real.nn.Linear(8, 8)
            self.tied.weight = self.blocks[0].weight

        @real.no_grad()
        def moved(self, x):
            return x + 1

        @property
        def twice(self):
            return self.config.width * 2

        @functools.cached_property
        def ones(self):
            return real.ones(width)

        @staticmethod
        def positive(x):
            return real.relu(x)

        def forward(self, x):
            import torch.nn.functional as F

            x = self.moved(self.leaky(self.clip(super().forward(x)))) + self.ones
            for block in self.blocks:
                x = block(x) if isinstance(block, real.nn.Linear) else F.dropout(x, 0.0)
            return self.positive(F.softmax(self.tied(x), -1)) * self.twice

    return Child


def agree(theirs, ours, *inputs, tolerance=1e-5):
    """Both give the same for the same inputs; so does the way back, to the bit."""
    with real.no_grad():
        wanted = theirs(*inputs)
        got = ours(*(x.numpy() for x in inputs))
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
        back = converters.to_torch(ours)
        assert type(back) is type(theirs)
        np.testing.assert_array_equal(back(*inputs), wanted)


X = real.linspace(-2, 2, 12).reshape(3, 4)


def test_a_class_of_a_function_s_body():
    theirs = local_class()().eval()
    ours = converters.from_torch(theirs)
    agree(theirs, ours, X)
    assert isinstance(ours, nn.Module) and repr(ours) == repr(theirs)
    assert ours.tied.weight is ours.blocks[0].weight
    assert "shift" not in ours.state_dict() and ours.shift.tolist() == [1.0] * 8
    assert ours.config.dtype is torch.float32 and ours.config is not theirs.config
    assert type(converters.from_torch(theirs)) is type(ours), "a class is made once"
    fresh = type(ours)()
    assert fresh(torch.ones(1, 4)).shape == (1, 8), "its constructor runs on torchcompat too"
    compiled = torch.compile(ours)
    np.testing.assert_allclose(compiled(X.numpy()), theirs(X).detach(), rtol=1e-5, atol=1e-5)


SOURCE = """
import torch
import torch.nn as nn
from torch.nn import functional as F

class Block(nn.Module):
    def __init__(self, width, act=F.silu):
        super().__init__()
        self.act, self.lin = act, nn.Linear(width, width)

    def forward(self, x):
        return torch.tanh(self.act(self.lin(x)))

def build():
    return nn.Sequential(Block(4), Block(4, torch.sigmoid))
"""


def test_classes_of_a_script():
    script: dict = {"__name__": "__main__"}
    exec(compile(SOURCE, "script.py", "exec"), script)
    theirs = script["build"]()
    ours = converters.from_torch(theirs)
    agree(theirs, ours, X)
    assert type(ours[0]).__module__ == "__main__"


def test_classes_of_a_file(tmp_path, monkeypatch):
    (tmp_path / "own_blocks.py").write_text(SOURCE)
    (tmp_path / "own_model.py").write_text("import own_blocks\nbuild = own_blocks.build\n")
    monkeypatch.syspath_prepend(tmp_path)
    import own_model

    theirs = own_model.build()
    ours = converters.from_torch(theirs)
    agree(theirs, ours, X)
    assert type(ours[0]).__module__ == "torchcompat.ported.own_blocks"
    assert ours[0].act is nn.functional.silu and ours[1].act is torch.sigmoid


def test_source_that_does_not_run(tmp_path, monkeypatch):
    """A user's file is not needed whole; a package is, and what it raises is told."""
    bad = "if 'torchcompat' in torch.__name__: raise OSError('no')\nclass Block"
    for name in ("own_broken", "own_package"):
        (tmp_path / f"{name}.py").write_text(SOURCE.replace("class Block", bad))
    record = tmp_path / "own_package-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Name: own_package\nVersion: 1.0\n")
    (record / "top_level.txt").write_text("own_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    import own_broken
    import own_package

    theirs = own_broken.build()
    agree(theirs, converters.from_torch(theirs), X)
    with pytest.raises(NotImplementedError) as error:
        converters.from_torch(real.nn.Sequential(own_package.Block(4)))
    assert str(error.value) == (
        "from_torch: 0 is own_package.Block, whose source does not run on torchcompat: no"
    )


# -- hooks, parametrizations, modes


def test_hooks_are_carried():
    theirs, seen = real.nn.Sequential(real.nn.Linear(4, 4), real.nn.ReLU()), []
    theirs.register_forward_hook(lambda module, args, out: seen.append(type(out)))
    theirs[0].register_forward_pre_hook(
        lambda module, args, kwargs: ((args[0] * SCALE,), kwargs), with_kwargs=True
    )
    theirs[0].register_full_backward_hook(lambda module, given, out: seen.append("backward"))
    theirs[1].register_forward_hook(types.MethodType(scaled_out, SCALE))
    ours = converters.from_torch(theirs)
    x = torch.ones(2, 4, requires_grad=True)
    result = ours(x)
    wanted = theirs(real.ones(2, 4)).detach()
    np.testing.assert_allclose(result.detach(), wanted, rtol=1e-6)
    result.sum().backward()
    assert seen[0] is torch.Tensor and "backward" in seen
    added = ours.register_forward_hook(lambda *args: None)
    assert len(ours._forward_hooks) == 2
    added.remove()
    assert len(ours._forward_hooks) == 1, "numbers of hooks do not clash"


def scaled_out(scale, module, args, out):
    return out * scale


def loads(module, state_dict, prefix, *rest):
    state_dict[prefix + "bias"] = state_dict[prefix + "bias"] * 2


def test_hooks_of_loading_and_saving_are_carried():
    theirs = real.nn.Linear(2, 2)
    theirs.register_load_state_dict_pre_hook(loads)
    theirs.register_state_dict_post_hook(lambda m, values, *rest: values.__delitem__("weight"))
    theirs._register_load_state_dict_pre_hook(lambda values, *rest: values.update(extra=0))
    ours = converters.from_torch(theirs)
    assert list(ours.state_dict()) == ["bias"]
    given = {"weight": torch.ones(2, 2), "bias": torch.ones(2)}
    assert ours.load_state_dict(given, strict=False).unexpected_keys == ["extra"]
    assert ours.bias.tolist() == [2, 2]


def wrapped(name):
    """A `Linear` changed by one of torch's utilities."""
    layer, utils = real.nn.Linear(4, 4), real.nn.utils
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in ("prune", "prune twice"):
            prune.l1_unstructured(layer, "weight", 0.5)
        if name == "prune twice":
            prune.random_unstructured(layer, "weight", 0.2)
        elif name.startswith("parametrizations."):
            getattr(utils.parametrizations, name.partition(".")[2])(layer)
        elif name != "prune":
            getattr(utils, name)(layer)
    return layer


DERIVED = [
    "weight_norm",
    "prune twice",
    "parametrizations.spectral_norm",
    "spectral_norm",
    "prune",
    "parametrizations.weight_norm",
    "parametrizations.orthogonal",
]


@pytest.mark.parametrize("name", DERIVED if WHOLE else DERIVED[:3])
def test_derived_weights(name):
    theirs = real.nn.Sequential(wrapped(name)).eval()
    ours = converters.from_torch(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    wanted = theirs(X).detach()
    np.testing.assert_allclose(ours(X.numpy()), wanted, rtol=1e-5, atol=1e-6)
    back = converters.to_torch(ours)
    np.testing.assert_allclose(back(X).detach(), wanted, rtol=1e-6)
    for key, value in theirs.state_dict().items():
        assert real.equal(back.state_dict()[key], value), key


def test_flags_modes_and_dtypes():
    theirs = real.nn.Sequential(real.nn.Linear(2, 2).half(), real.nn.BatchNorm1d(2).bfloat16())
    theirs[0].weight.requires_grad_(False)
    theirs[0].weight.tag = "kept"
    theirs[1].eval()
    ours = converters.from_torch(theirs)
    assert ours.training and ours[0].training and not ours[1].training
    assert not ours[0].weight.requires_grad and ours[0].bias.requires_grad
    assert ours[0].weight.dtype is torch.float16 and ours[0].weight.tag == "kept"
    assert ours[1].running_var.dtype is torch.bfloat16


# -- modules that are more than their attributes


def test_compiled_and_traced_modules():
    plain = real.nn.Sequential(real.nn.Linear(4, 4), real.nn.ReLU())
    compiled = converters.from_torch(real.compile(plain, backend="eager"))
    assert type(compiled) is type(torch.compile(nn.ReLU()))
    np.testing.assert_allclose(compiled(X.numpy()), plain(X).detach(), rtol=1e-5, atol=1e-6)

    class Model(real.nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.bias = plain, real.nn.Parameter(real.ones(4))

        def forward(self, x, scale=2.0):
            x = self.body(x)[:, 1:3] * scale
            return functional.relu(real.cat([x, x.flip(-1)], dim=1) + self.bias)

    traced = real.fx.symbolic_trace(Model())
    ours = converters.from_torch(traced)
    assert ours.code == traced.code
    np.testing.assert_allclose(ours(X.numpy()), traced(X).detach(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(converters.to_torch(ours)(X).detach(), traced(X).detach())


def test_lazy_layers_and_recurrent_layers():
    ours = converters.from_torch(
        real.nn.Sequential(real.nn.LazyLinear(3), real.nn.LazyBatchNorm1d())
    )
    assert ours(torch.ones(2, 5)).shape == (2, 3) and type(ours[0]) is nn.Linear
    theirs = converters.to_torch(nn.LSTM(3, 4))
    assert theirs(real.ones(2, 1, 3))[0].shape == (2, 1, 4)


@pytest.mark.parametrize("name", NAMES if WHOLE else NAMES[::9])
def test_every_layer_has_what_one_made_here_has(name):
    derived = {"_tc_version", "_tc_static", "_tc_described"}
    for title, make in cases(name, False, real.float32, 3):
        case = make()
        ours = converters.from_torch(case.theirs)
        assert type(ours) is type(case.ours) and repr(ours) == repr(case.theirs), title
        assert vars(ours).keys() - derived == vars(case.ours).keys() - derived, title
        back = converters.to_torch(ours)
        assert type(back) is type(case.theirs)
        assert vars(back).keys() == vars(case.theirs).keys(), title


def test_all_that_cannot_be_converted_is_named_at_once():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = real.jit.script(real.nn.ReLU())
    theirs = real.nn.Sequential(scripted, real.nn.Sequential(real.nn.ReLU(), scripted))
    theirs.extra = real.ones(2).to_sparse()
    with pytest.raises(NotImplementedError) as error:
        converters.from_torch(theirs)
    assert str(error.value).splitlines() == [
        "from_torch: 0 is torch.jit._script.RecursiveScriptModule, TorchScript, which holds no "
        "Python source to run",
        "from_torch: no tensors of dtype torch.float32, layout torch.sparse_coo, at extra",
    ]


# -- filling a module of torch's


def test_a_torch_module_is_filled():
    ours = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    ours.register_buffer("passing", torch.arange(3), persistent=False)
    theirs = real.nn.Sequential(real.nn.Linear(4, 3), real.nn.BatchNorm1d(3))
    theirs.register_buffer("passing", real.zeros(3, dtype=real.int64), persistent=False)
    ours(torch.ones(2, 4))
    assert converters.to_torch(ours, into=theirs) is theirs
    for key, value in ours.state_dict().items():
        assert np.array_equal(theirs.state_dict()[key], np.asarray(value)), key
    assert theirs.passing.tolist() == [0, 1, 2]
    converters.to_torch(nn.Linear(4, 3).state_dict(), into=theirs[0])
    with pytest.raises(RuntimeError, match=r"size mismatch for 0.weight(.|\n)*size mismatch for 1"):
        converters.to_torch(nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(2)), into=theirs)
    with pytest.raises(TypeError, match="into must be a torch module, not Linear"):
        converters.to_torch(ours, into=nn.Linear(1, 1))


# -- models of packages


@pytest.mark.skipif(not WHOLE, reason="the whole sweep; a part of it runs in test_ported_*")
@pytest.mark.parametrize("package", ["torchvision", "timm", "transformers"])
def test_models_of_packages(package):
    for theirs, x in package_models(package):
        theirs.eval()
        ours = converters.from_torch(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        with real.no_grad():
            wanted, got = theirs(x), ours(torch.from_numpy(x.numpy()))
        wanted, got = (y if hasattr(y, "shape") else y[0] for y in (wanted, got))
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=2e-4 * float(wanted.abs().max()))
        back = converters.to_torch(ours)
        assert type(back) is type(theirs)


def package_models(package):
    image = real.rand(1, 3, 64, 64)
    if package == "torchvision":
        import torchvision.models as models

        for name in ("resnet18", "mobilenet_v3_small", "swin_t"):
            yield getattr(models, name)(), image
    elif package == "timm":
        import timm

        for name in ("convnext_atto", "efficientnet_b0"):
            yield timm.create_model(name), image
    else:
        import transformers

        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
        sizes |= {"vocab_size": 99, "intermediate_size": 64}
        tokens = real.arange(3, 17).reshape(2, 7)
        bert = transformers.BertConfig(**sizes)
        yield transformers.BertModel(bert), tokens
        llama = transformers.LlamaConfig(**sizes, num_key_value_heads=2)
        yield transformers.LlamaForCausalLM(llama), tokens
