"""What people do with modules, with only the import changed: documented examples and recipes."""

from __future__ import annotations

import ast
import contextlib
import copy
import inspect
import io
import re
import textwrap
from collections import OrderedDict
from functools import partial

import pytest
import torch as real_torch
from _both import both, plain

import torchcompat

LIBRARIES = {"torch": real_torch, "torchcompat": torchcompat}

# torch says this of complex modules; test_module.py tests that we say it as well.
pytestmark = pytest.mark.filterwarnings("ignore:Complex modules are a new feature")

# -- the examples in torch's documentation --------------------------------------------------------


def documented(owner):
    """The names of `owner` and its methods whose documentation has an example."""
    for name, thing in {"": owner, **vars(owner)}.items():
        text = inspect.getdoc(thing) if callable(thing) else None
        if text and re.search(r"^Examples?::|::\n\n    import torch.nn", text, re.MULTILINE):
            yield f"{owner.__name__}.{name}".rstrip(".")


def example(name):
    """The source of the example in the documentation of `name`, prompts taken off."""
    thing = real_torch.nn
    for part in name.split("."):
        thing = getattr(thing, part)
    text = inspect.getdoc(thing)
    start = re.search(r"(?:^Examples?|attributes)::\n", text, re.MULTILINE).end()
    block = re.match(r"(?:\s*\n|    .*\n?)*", text[start:]).group()
    lines = textwrap.dedent(block).splitlines()
    if any(line.startswith(">>>") for line in lines):
        lines = [line[4:] for line in lines if line.startswith((">>>", "..."))]
    # This machine has no second GPU.
    return "\n".join(line for line in lines if "gpu1" not in line and "# xdoctest" not in line)


OWNERS = "Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"
EXAMPLES = [name for owner in OWNERS for name in documented(getattr(real_torch.nn, owner))]


def model_of(torch):
    """What the undefined names in the examples stand for."""
    nn = torch.nn
    names = ("conv4", nn.Conv2d(1, 2, 3)), ("bn", nn.BatchNorm2d(2)), ("conv5", nn.Conv2d(2, 2, 1))
    return nn.Sequential(OrderedDict(names))


# A call of what the example defines.
USES = {
    "Module": "model = Model(); model(torch.ones(1, 1, 12, 12)).shape",
    "Sequential": "model(torch.ones(1, 1, 12, 12)); model",
    "ModuleList": "m = MyModule(); m; m(torch.ones(2, 10)); list(m.state_dict())",
    "ModuleDict": "m = MyModule(); m; m(torch.ones(1, 10, 4, 4), 'conv', 'prelu')",
    "ParameterList": "m = MyModule(); m; m(torch.ones(10, 2))",
    "ParameterDict": "m = MyModule(); m; m(torch.ones(10, 2), 'right')",
    "Module.register_buffer": "self.running_mean",
}


def session(source, torch):
    """What an interactive session prints that runs `source`."""
    torch.manual_seed(0)
    model = model_of(torch)
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "OrderedDict": OrderedDict}
    names |= {"model": model, "self": model, "module": model, "num_features": 3}
    source = re.sub(r"^import torch\b.*$", "", source, flags=re.MULTILINE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for statement in ast.parse(source).body:
            code = compile(ast.Interactive([statement]), "<example>", "single")
            exec(code, names)  # noqa: S102
    return printed.getvalue()


@pytest.mark.parametrize("name", EXAMPLES)
def test_documented_example(name):
    source = example(name) + "\n" + USES.get(name, "")
    theirs, ours = (plain(session(source, torch)) for torch in (real_torch, torchcompat))
    kinds = re.compile(r"<class '[\w.]+'>")
    numbers = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
    assert kinds.sub("", numbers.sub("#", ours)) == kinds.sub("", numbers.sub("#", theirs))
    ours, theirs = ([float(x) for x in numbers.findall(text)] for text in (ours, theirs))
    # Printed to four places; ten matrix products in a row, in float32.
    assert ours == pytest.approx(theirs, rel=5e-5, abs=2e-4)


def test_all_documented_examples_are_found():
    assert len(EXAMPLES) >= 20


# -- recipes --------------------------------------------------------------------------------------


def network(torch, seed=0):
    """A small convolutional network of the usual form, with torch's default initialisation."""
    nn = torch.nn
    torch.manual_seed(seed)

    class Network(nn.Module):
        def __init__(self, classes=3):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Conv2d(4, 4, 3),
                nn.ReLU(),
            )
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Linear(4, classes)

        def forward(self, x):
            return self.fc(torch.flatten(self.pool(self.features(x)), 1))

    return Network().eval()


def image(torch, channels=3):
    return torch.arange(2.0 * channels * 36).reshape(2, channels, 6, 6) / 100


@both
def test_listing(torch):
    net = network(torch)
    yield net, str(net.features[0])
    yield [(name, tuple(p.shape), p.requires_grad) for name, p in net.named_parameters()]
    yield [(name, type(m).__name__) for name, m in net.named_modules()]
    yield [name for name, _ in net.named_children()], [name for name, _ in net.named_buffers()]
    yield sum(p.numel() for p in net.parameters() if p.requires_grad)
    yield [(k, v.size(), v.dtype) for k, v in net.state_dict().items()]
    yield net(image(torch))


@both
def test_delete_or_replace_the_last_layer(torch):
    nn = torch.nn
    net = network(torch)
    net.fc = nn.Linear(net.fc.in_features, 5)
    yield net.fc, net(image(torch))
    net.fc = nn.Identity()
    yield net(image(torch)).shape
    net = network(torch)
    body = nn.Sequential(*list(net.children())[:-1])
    yield body, body(image(torch)).shape
    del net.fc
    yield net, list(net.state_dict())
    net = network(torch)
    net.features = net.features[:-1]
    net.features[-1] = nn.Conv2d(4, 4, 1)
    del net.features[2]
    net.features.append(nn.Sigmoid())
    net.features.add_module("last", nn.Flatten())
    yield net.features, list(net.state_dict())
    net = network(torch)
    del net.features._modules["4"]
    net._modules["fc"] = nn.Linear(4, 1)
    net._parameters.clear()
    yield net, net(image(torch)).shape


@both
def test_more_input_channels(torch):
    nn = torch.nn
    net = network(torch)
    old = net.features[0]
    new = nn.Conv2d(4, old.out_channels, old.kernel_size, old.stride, old.padding)
    new.weight.data[:, :3] = old.weight.data
    new.weight.data[:, 3:] = old.weight.data.mean(dim=1, keepdim=True)
    new.bias.data.copy_(old.bias.data)
    net.features[0] = new
    yield new.weight, new.bias, net(image(torch, 4))
    with torch.no_grad():
        net.features[0].weight[:, 3] = 0
        net.features[0].bias.zero_()
        net.fc.weight[0, 1:3].fill_(2)
    yield net.features[0].weight[:, 3], net.features[0].bias, net.fc.weight
    x = image(torch, 4)
    without = network(torch)
    without.features[0].bias.data.zero_()
    without.fc.weight.data[0, 1:3] = 2
    yield torch.allclose(net(x), without(x[:, :3]), atol=1e-6)


@both
def test_freezing(torch):
    net = network(torch)
    for parameter in net.parameters():
        parameter.requires_grad = False
    for parameter in net.fc.parameters():
        parameter.requires_grad = True
    yield [name for name, p in net.named_parameters() if p.requires_grad]
    net.requires_grad_(True)
    for name, parameter in net.named_parameters():
        if name.startswith("features.0"):
            parameter.requires_grad_(False)
    yield [p.requires_grad for p in net.parameters()]
    yield len(list(filter(lambda p: p.requires_grad, net.parameters())))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
            module.weight.requires_grad = module.bias.requires_grad = False
    out = net(image(torch))
    yield out.requires_grad, out.shape
    for parameter in net.parameters():
        parameter.requires_grad = False
    yield net(image(torch)).requires_grad


@both
def test_hooks_that_read(torch):
    net, kept = network(torch), {}

    def keep(name, module, args, output):
        kept[name] = output.detach()

    handles = [
        module.register_forward_hook(partial(keep, name))
        for name, module in net.named_modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))
    ]
    net(image(torch))
    yield kept
    for handle in handles:
        handle.remove()
    kept.clear()
    net(image(torch))
    yield kept, sum(len(m._forward_hooks) for m in net.modules())
    shapes = []
    with torch.no_grad():
        for module in net.features:
            module.register_forward_pre_hook(lambda m, args: shapes.append(args[0].shape))
        net(image(torch))
    yield shapes


@both
def test_hooks_that_replace(torch):
    net, x = network(torch), image(torch)
    before = net(x)
    handle = net.features[2].register_forward_hook(lambda m, args, out: out * 0)
    yield net(x)
    handle.remove()
    yield torch.equal(net(x), before)
    with net.register_forward_pre_hook(lambda m, args: (args[0] * 2,)):
        yield torch.allclose(net(x), before), net(x)
    with net.fc.register_forward_hook(lambda m, args, out: (out, args[0])):
        logits, features = net(x)
        yield logits, features.shape


@both
def test_filtered_state_dict(torch):
    nn = torch.nn
    source, net = network(torch, 1), network(torch, 2)
    net.fc = nn.Linear(4, 7)
    pretrained, own = source.state_dict(), net.state_dict()
    kept = {k: v for k, v in pretrained.items() if k in own and v.shape == own[k].shape}
    yield sorted(set(pretrained) - set(kept))
    own.update(kept)
    yield net.load_state_dict(own), net.features[0].weight
    yield net.load_state_dict(kept, strict=False)
    wrapped = {"module." + k: v for k, v in network(torch, 3).state_dict().items()}
    plain_names = {k.removeprefix("module."): v for k, v in wrapped.items()}
    net = network(torch)
    yield net.load_state_dict(plain_names), net.fc.bias
    features = {k[9:]: v for k, v in pretrained.items() if k.startswith("features.")}
    yield net.features.load_state_dict(features), net.features[3].bias
    del pretrained["fc.bias"]
    pretrained["head.bias"] = pretrained.pop("fc.weight")
    try:
        net.load_state_dict(pretrained)
    except RuntimeError as error:
        yield str(error)


@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoint_dictionary(tmp_path, legacy):
    @both
    def scenario(torch):
        net, other = network(torch, 4), network(torch, 5)
        path = tmp_path / f"{torch.__name__}.pth"
        checkpoint = {
            "epoch": 3,
            "model": net.state_dict(),
            "losses": [0.5, 0.25],
            "config": {"lr": 0.1, "name": "net"},
            "best": torch.tensor(0.75),
        }
        torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
        loaded = torch.load(path, map_location="cpu")
        yield loaded["epoch"], loaded["losses"], loaded["config"], loaded["best"], list(loaded)
        yield other.load_state_dict(loaded["model"])
        yield torch.equal(other(image(torch)), net(image(torch))), loaded["model"]._metadata

    scenario()


@both
def test_casting_the_model(torch):
    net = network(torch).to(torch.double)
    yield {p.dtype for p in net.parameters()}, net.features[1].num_batches_tracked.dtype
    yield net(image(torch).double())
    yield net.float()(image(torch)), {p.dtype for p in net.half().parameters()}
    yield net.to("cpu", torch.bfloat16).fc.weight.dtype, next(net.parameters()).device


@both
def test_complex_model(torch):
    nn = torch.nn
    torch.manual_seed(0)

    class Complex(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(3, 4, dtype=torch.cfloat)
            self.scale = nn.Parameter(torch.tensor(1 + 2j))
            self.register_buffer("shift", torch.ones(2) * 1j)
            self.second = nn.Linear(4, 2, bias=False).to(torch.complex64)

        def forward(self, z):
            return self.second(self.first(z) * self.scale) + self.shift

    net = Complex()
    z = torch.ones(5, 3) * (1 - 1j)
    yield [(k, v.dtype) for k, v in net.state_dict().items()], torch.view_as_real(net(z))
    yield torch.view_as_real(net.to(torch.complex128)(z.to(torch.complex128)))


@both
def test_initialising(torch):
    nn = torch.nn
    net = network(torch)

    def init(module):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.constant_(module.bias, 0.1)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.data.fill_(1.5)
            module.reset_running_stats()

    torch.manual_seed(7)
    net.apply(init)
    yield net.state_dict()
    torch.manual_seed(8)
    for module in net.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    yield net.state_dict()


@both
def test_moving_average_and_deepcopy(torch):
    net = network(torch)
    average = copy.deepcopy(net)
    for parameter in average.parameters():
        parameter.detach_()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
        for kept, new in zip(average.parameters(), net.parameters()):
            kept.mul_(0.9).add_(new, alpha=0.1)
        for kept, new in zip(average.buffers(), net.buffers()):
            kept.copy_(new)
    yield average.state_dict(), net.fc.bias
    states = [network(torch, seed).state_dict() for seed in (1, 2, 3)]
    mean = {key: sum(s[key].double() for s in states) / len(states) for key in states[0]}
    yield net.load_state_dict(mean), net.state_dict()


@both
def test_replacing_layers_everywhere(torch):
    nn = torch.nn

    def replace(module):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.GELU())
            else:
                replace(child)

    net = network(torch)
    replace(net)
    yield net, net(image(torch))
    net = network(torch)
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            net.set_submodule(name, nn.Identity())
    yield net, net(image(torch))
    parent, _, name = "features.0".rpartition(".")
    net.get_submodule(parent)._modules[name] = nn.Conv2d(3, 4, 1)
    yield net.features, net.get_parameter("features.0.weight").shape


@both
def test_tied_weights(torch):
    nn = torch.nn
    torch.manual_seed(0)

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.out = nn.Linear(3, 5, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, index):
            return self.out(self.embed(index))

    net = Tied()
    yield [name for name, _ in net.named_parameters()], list(net.state_dict())
    yield net(torch.tensor([0, 4]))
    with torch.no_grad():
        net.embed.weight[0] = 1
    yield net.out.weight[0], copy.deepcopy(net).out.weight[0]
    net.double()
    yield net.out.weight is net.embed.weight, net.out.weight.dtype
    twin = copy.deepcopy(net)
    yield twin.out.weight is twin.embed.weight


@both
def test_own_layers(torch):
    nn = torch.nn
    torch.manual_seed(0)

    class Positional(nn.Module):
        def __init__(self, size, length=6):
            super().__init__()
            position = torch.arange(length).unsqueeze(1)
            rate = torch.exp(torch.arange(0, size, 2) * (-torch.log(torch.tensor(1e4)) / size))
            table = torch.zeros(length, size)
            table[:, 0::2] = torch.sin(position * rate)
            table[:, 1::2] = torch.cos(position * rate)
            self.register_buffer("table", table, persistent=False)
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return x + self.gain * self.table[: x.size(1)]

    class Block(nn.Module):
        def __init__(self, size, heads=2):
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(size) for _ in range(2)])
            self.mix = nn.ModuleDict({"up": nn.Linear(size, 8), "down": nn.Linear(8, size)})
            self.scale = nn.ParameterList([torch.full((1,), 0.5 + i) for i in range(2)])

        def forward(self, x, *, act=torch.relu):
            x = x + self.scale[0] * self.norms[0](x)
            return x + self.scale[1] * self.mix["down"](act(self.mix["up"](self.norms[1](x))))

    net = nn.Sequential(Positional(4), *(Block(4) for _ in range(2)))
    yield net, list(net.state_dict())
    yield net(torch.arange(24.0).reshape(2, 3, 4) / 24)


@both
def test_gradient_free_editing(torch):
    net = network(torch)
    weight = net.fc.weight
    weight.data = weight.data * (weight.abs() > 0.2)
    with torch.no_grad():
        net.features[0].weight[net.features[0].weight < 0] = 0
        net.features[3].weight.clamp_(-0.05, 0.05)
        net.fc.bias += 1
    yield net.fc.weight is weight, net.fc.weight, net.features[0].weight
    yield net.features[3].weight, net.fc.bias, net(image(torch))
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= 0.1 * parameter.grad
    yield net.fc.bias, net.fc.bias.requires_grad, net.fc.bias.is_leaf
    net.zero_grad()
    yield [p.grad for p in net.parameters()]


@both
def test_empty_models(torch):
    with torch.device("meta"):
        net = network(torch)
    yield {p.device.type for p in net.parameters()}
    state = network(torch, 6).state_dict()
    yield net.load_state_dict(state, assign=True), net(image(torch))
    with torch.device("meta"):
        net = network(torch)
    net.to_empty(device="cpu").load_state_dict(state)
    yield net(image(torch))
    yield torch.nn.Linear(2, 3, device="meta", dtype=torch.half).weight.dtype


def test_numpy_and_back():
    net, other = network(torchcompat, 1), network(torchcompat, 2)
    arrays = {key: value.detach().numpy() for key, value in net.state_dict().items()}
    other.load_state_dict(arrays)
    assert torchcompat.equal(net(image(torchcompat)), other(image(torchcompat)))
