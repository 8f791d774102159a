"""Every test module is imported, and every test run, from the same random state.

Workers of pytest-xdist must collect the same tests, also where a module draws its cases on import.
"""

import importlib.util
import os
import random

# Read when torch is imported: a worker has one core, where torch's threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

import torchcompat
from tests import _programs, _record

# Absent on the oldest JAX and Flax, where only the tests that need no torch run.
HAS_TORCH = importlib.util.find_spec("torch") is not None


def seed() -> None:
    random.seed(0)
    np.random.seed(0)
    torchcompat.manual_seed(0)
    if HAS_TORCH:
        importlib.import_module("torch").manual_seed(0)


def pytest_pycollect_makemodule(module_path, parent):
    seed()


@pytest.fixture(autouse=True)
def same_start():
    seed()


@pytest.fixture(autouse=True)
def forget_programs(request):
    """Compiled programs of whole models, and too many of others, are given back."""
    yield
    _programs.forget(0 if request.path.name.startswith("test_ported_") else _programs.MOST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    _record.begin(item)
    try:
        result = yield
    except BaseException as error:
        _record.end(item, error)
        raise
    _record.end(item, None)
    return result


def pytest_sessionfinish():
    _record.save()
