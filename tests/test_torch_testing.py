"""torch's own test utilities and tables, run from the installed torch's files on torchcompat."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import torchcompat
import torchcompat.ported  # noqa: F401
from torchcompat.testing import assert_close


def internal(name):
    return importlib.import_module(f"torchcompat.testing._internal.{name}")


def test_utilities_are_torchs_files_on_our_tensors():
    ours = internal("common_utils")
    theirs = importlib.import_module("torch.testing._internal.common_utils")
    assert ours.__file__ == theirs.__file__
    assert ours is not theirs and ours.torch is torchcompat and theirs.torch is torch


def test_test_case_compares_our_tensors():
    case = internal("common_utils").TestCase()
    case.assertEqual(torchcompat.ones(2), torchcompat.ones(2))
    case.assertEqual({"a": [torchcompat.ones(2), 1]}, {"a": [torchcompat.ones(2), 1]})
    with pytest.raises(AssertionError, match="Tensor-likes are not close!"):
        case.assertEqual(torchcompat.ones(2), torchcompat.zeros(2))
    with pytest.raises(AssertionError, match="Scalars are not equal!"):
        case.assertEqual(1, 2)


@pytest.mark.parametrize(
    "module, table",
    [
        ("common_methods_invocations", "op_db"),
        ("common_modules", "module_db"),
        ("common_optimizers", "optim_db"),
    ],
)
def test_tables_are_whole(module, table):
    names = [
        [entry.full_name if hasattr(entry, "full_name") else entry.name for entry in entries]
        for entries in (
            getattr(internal(module), table),
            getattr(importlib.import_module(f"torch.testing._internal.{module}"), table),
        )
    ]
    assert [name.removeprefix("torchcompat.") for name in names[0]] == names[1]


def test_samples_are_our_tensors():
    (entry,) = [e for e in internal("common_methods_invocations").op_db if e.name == "add"][:1]
    assert entry.op is torchcompat.add
    sample = next(iter(entry.sample_inputs("cpu", torchcompat.float32)))
    assert type(sample.input) is torchcompat.Tensor
    result = entry.op(sample.input, *sample.args, **sample.kwargs)
    assert type(result) is torchcompat.Tensor


def test_numerical_jacobians_of_arguments_and_parameters():
    layer = torchcompat.nn.Linear(3, 2).double()
    x = torchcompat.randn(3, dtype=torchcompat.float64, requires_grad=True)
    jacobian = importlib.import_module("torchcompat.autograd.gradcheck")._get_numerical_jacobian
    assert_close(jacobian(layer, x, eps=1e-6)[0][0], layer.weight.detach().T)
    (by_bias,) = jacobian(layer, x, target=layer.bias, eps=1e-6)[0]
    assert_close(by_bias, torchcompat.eye(2, dtype=torchcompat.float64))


TORCH_STYLE = """
import torch
from torch.testing._internal.common_utils import TestCase, parametrize
from torch.testing._internal.common_utils import instantiate_parametrized_tests


class TestSum(TestCase):
    @parametrize("size", [1, 3])
    def test_sum(self, size):
        self.assertEqual(torch.ones(size).sum(), torch.tensor(float(size)))
        assert torch.__version__.endswith("+torchcompat.0.1.0"), torch.__version__

    def test_that_fails(self):
        self.assertEqual(torch.ones(2), torch.zeros(2))


instantiate_parametrized_tests(TestSum)
"""


def test_the_script_runs_torchs_test_files(tmp_path):
    file = tmp_path / "test_in_torchs_style.py"
    file.write_text(TORCH_STYLE)
    script = Path(__file__).parent.parent / "scripts" / "torch_tests"
    command = [sys.executable, str(script), str(file), "-q"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1, result.stderr
    assert "1 failed, 2 passed" in result.stdout
    assert "Tensor-likes are not close!" in result.stdout
