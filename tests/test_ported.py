"""torchcompat.ported: which imports go where, in packages written to a temporary folder."""

import dataclasses
import importlib
import importlib.metadata
import importlib.util
import pickle
import sys
import textwrap
import traceback
import typing

import numpy as np
import pytest

import torchcompat

PACKAGE = {
    "__init__.py": """
        import torch
        from .layers import Double
        from . import registry
        import sys
        has_torch = "torch" in sys.modules
        same = sys.modules[__name__]
    """,
    "layers.py": """
        import dataclasses
        import typing
        import torch
        import torch.nn as nn
        from torch import Tensor
        from torch.nn import functional as F

        @dataclasses.dataclass
        class Config:
            factor: float = 2.0
            weight: typing.Optional[Tensor] = None

        class Double(nn.Module):
            def __init__(self, config: "Config"):
                super().__init__()
                self.linear = nn.Linear(3, 3)
                self.factor = config.factor

            def forward(self, x: Tensor) -> Tensor:
                import torch.nn.functional as G  # an import inside a function is routed as well
                assert G is F
                return torch.relu(self.linear(x)) * self.factor

        def fail():
            raise ValueError("here")
    """,
    "registry.py": """
        import importlib
        import importlib.util
        from importlib import import_module
        from importlib.metadata import version, PackageNotFoundError
        import importlib.metadata as metadata

        torch_version = version("torch")
        torch_spec = importlib.util.find_spec("torch")
        absent_spec = importlib.util.find_spec("no_such_package_at_all")
        try:
            metadata.version("no_such_package_at_all")
        except PackageNotFoundError as error:
            absent = error

        def relative():
            return import_module(".layers", __package__)

        def absolute():
            return importlib.import_module("a_port_package.layers")

        def of_torch():
            return import_module("torch.nn")

        def register(thing):
            import sys
            setattr(sys.modules[thing.__module__], "registered", thing)

        def missing():
            import no_such_package_at_all
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "a_port_package"
    folder.mkdir()
    for name, text in PACKAGE.items():
        (folder / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield importlib.import_module("torchcompat.ported.a_port_package")
    for name in [name for name in sys.modules if "a_port_package" in name]:
        del sys.modules[name]


def test_torch_is_torchcompat_in_a_ported_package(package):
    assert package.torch is torchcompat
    assert package.layers.nn is torchcompat.nn
    model = package.Double(package.layers.Config())
    assert isinstance(model, torchcompat.nn.Module)
    x = torchcompat.ones(2, 3)
    expected = np.maximum(np.asarray(model.linear(x).detach()), 0) * 2
    np.testing.assert_array_equal(np.asarray(model(x).detach()), expected)


def test_a_ported_package_finds_torch_by_every_question(package):
    registry = package.registry
    assert package.has_torch and package.same is package
    assert registry.torch_version == "2.13.0"
    assert registry.torch_spec is not None and registry.absent_spec is None
    assert registry.absent.name == "no_such_package_at_all"


def test_computed_imports_are_routed(package):
    assert package.registry.relative() is package.layers
    assert package.registry.absolute() is package.layers
    assert package.registry.of_torch() is torchcompat.nn
    package.registry.register(package.Double)
    assert package.layers.registered is package.Double


def test_hints_dataclasses_and_pickles(package):
    hints = typing.get_type_hints(package.Double.__init__)
    assert hints["config"] is package.layers.Config
    assert typing.get_type_hints(package.Double.forward)["x"] is torchcompat.Tensor
    assert dataclasses.asdict(package.layers.Config()) == {"factor": 2.0, "weight": None}
    model = package.Double(package.layers.Config())
    again = pickle.loads(pickle.dumps(model))
    assert type(again) is package.Double and again.factor == 2.0


def test_tracebacks_show_the_own_file_and_line(package, tmp_path):
    with pytest.raises(ValueError, match="here") as caught:
        package.layers.fail()
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert last.filename == str(tmp_path / "a_port_package" / "layers.py")
    assert last.line == 'raise ValueError("here")'


def test_what_is_missing_is_named_as_the_source_names_it(package):
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package_at_all'"):
        package.registry.missing()
    with pytest.raises(ModuleNotFoundError, match="no_such_package_at_all"):
        importlib.import_module("torchcompat.ported.no_such_package_at_all")
    with pytest.raises(ModuleNotFoundError, match="torchcompat itself"):
        importlib.import_module("torchcompat.ported.torch")


def test_the_native_copy_stays_native(package):
    torch = pytest.importorskip("torch")
    native = importlib.import_module("a_port_package")
    assert native is not package
    assert native.torch is torch and package.torch is torchcompat
    assert native.registry.torch_version == importlib.metadata.version("torch")
    assert not issubclass(native.Double, torchcompat.nn.Module)


def test_native_packages_are_shared(tmp_path, monkeypatch):
    (tmp_path / "a_port_module.py").write_text("import numpy, jax, json\nimport os.path as p\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    module = importlib.import_module("torchcompat.ported.a_port_module")
    assert module.numpy is np and module.json is importlib.import_module("json")
    assert module.p is importlib.import_module("os.path")


def test_loose_source_is_ported_with_what_imports_it(tmp_path, monkeypatch):
    (tmp_path / "a_port_helper.py").write_text("import torch\n")
    (tmp_path / "a_port_user.py").write_text("import a_port_helper\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    user = importlib.import_module("torchcompat.ported.a_port_user")
    assert user.a_port_helper.torch is torchcompat


def test_safetensors_of_ported_source(tmp_path):
    from safetensors.numpy import load_file as load_numpy
    from torchcompat.ported.safetensors.torch import load_file, save_file

    tensors = {
        "a": torchcompat.arange(6.0).reshape(2, 3),
        "b": torchcompat.ones(2, dtype=torchcompat.bfloat16),
        "c": torchcompat.tensor([True, False]),
        "d": torchcompat.tensor(3),
        "e": torchcompat.zeros(0, 4),
    }
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    np.testing.assert_array_equal(load_numpy(tmp_path / "x.safetensors")["a"], tensors["a"])
    again = load_file(tmp_path / "x.safetensors")
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype
        assert torchcompat.equal(again[name], tensor)


def test_safe_open_reads_slices_lazily(tmp_path):
    from torchcompat.ported.safetensors import SafetensorError, safe_open
    from torchcompat.ported.safetensors.torch import save_file

    save_file({"b": torchcompat.arange(6.0), "a": torchcompat.ones(2, 3)}, tmp_path / "x")
    with safe_open(tmp_path / "x", framework="pt", device="cpu") as file:
        assert file.keys() == ["a", "b"] and file.metadata() is None
        part = file.get_slice("a")
        assert part.get_shape() == [2, 3] and part.get_dtype() == "F32"
        assert part[:1].shape == (1, 3)
        assert isinstance(file.get_tensor("b"), torchcompat.Tensor)
        with pytest.raises(SafetensorError, match="does not contain tensor z"):
            file.get_tensor("z")
    with safe_open(tmp_path / "x", framework="numpy") as file:
        assert isinstance(file.get_tensor("b"), np.ndarray)
    with pytest.raises(FileNotFoundError, match="No such file"):
        safe_open(tmp_path / "y", framework="pt")
