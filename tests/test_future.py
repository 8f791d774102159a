"""`torch.__future__` and `torch.utils.swap_tensors`, against torch."""

import pytest
import torch

import torchcompat

LIBRARIES = [torch, torchcompat]


def settings(library):
    return getattr(library, "__future__")  # noqa: B009


@pytest.fixture(autouse=True)
def restored():
    yield
    for library in LIBRARIES:
        settings(library).set_overwrite_module_params_on_conversion(False)
        settings(library).set_swap_module_params_on_conversion(False)


def conversion(library, setting):
    """Which objects a conversion keeps, and the types it leaves."""
    getattr(settings(library), f"set_{setting}_module_params_on_conversion")(True)
    layer = library.nn.Linear(2, 2)
    layer.weight.sum().backward()
    weight, grad, alias = layer.weight, layer.weight.grad, layer.weight.data
    layer.to(library.float64 if setting == "swap" else library.bfloat16)
    now = layer.weight
    return (
        now is weight,
        now.grad is grad,
        type(now) is library.nn.Parameter,
        now.requires_grad,
        *(str(x.dtype) for x in (weight, now, now.grad, grad, alias)),
    )


@pytest.mark.parametrize("setting", ["overwrite", "swap"])
def test_conversions(setting):
    assert conversion(torchcompat, setting) == conversion(torch, setting)


def loading(library):
    settings(library).set_swap_module_params_on_conversion(True)
    seen = []

    class Subclass(library.Tensor):
        def module_load(self, other, assign=False):
            seen.append((type(other) is library.Tensor, assign))
            return library.full_like(other.detach(), 7.0)

    module = library.nn.Module()
    buffer = library.zeros(2).as_subclass(Subclass)
    module.register_buffer("buffer", buffer)
    module.weight = library.nn.Parameter(library.zeros(2))
    weight = module.weight
    module.load_state_dict({"buffer": library.ones(2), "weight": library.ones(2)})
    kept = module.buffer is buffer, module.weight is weight, weight.requires_grad
    return seen, kept, buffer.tolist(), weight.tolist(), type(weight) is library.nn.Parameter


def test_loading_asks_module_load():
    assert loading(torchcompat) == loading(torch)


def loading_its_own_state(library):
    """A state_dict that shares its values with the module, loaded into a layer that has two names."""
    settings(library).set_swap_module_params_on_conversion(True)
    layer = library.nn.Linear(2, 2, bias=False)
    net = library.nn.ModuleDict({"first": layer, "second": layer})
    state = net.state_dict()
    state["first.weight"] = library.ones(2, 2)
    net.load_state_dict(state)
    return layer.weight.tolist(), state["second.weight"].tolist(), layer.weight.requires_grad


def test_loading_its_own_state():
    assert loading_its_own_state(torchcompat) == loading_its_own_state(torch)


def loading_onto_meta(library):
    settings(library).set_swap_module_params_on_conversion(True)
    layer = library.nn.Linear(2, 2, bias=False, device="meta")
    with pytest.warns(UserWarning, match="for weight: copying from a non-meta parameter") as seen:
        layer.load_state_dict({"weight": library.ones(2, 2)})
    return len(seen), layer.weight.device.type


def test_loading_onto_meta():
    assert loading_onto_meta(torchcompat) == loading_onto_meta(torch)


def swapped(library):
    a = library.ones(2)
    b = library.nn.Parameter(library.zeros(3))
    b.note = "kept"
    library.utils.swap_tensors(a, b)
    return (
        type(a) is library.nn.Parameter,
        type(b) is library.Tensor,
        a.tolist(),
        b.tolist(),
        a.requires_grad,
        a.note,
        hasattr(b, "note"),
    )


def test_swap_tensors():
    assert swapped(torchcompat) == swapped(torch)
