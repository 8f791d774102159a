"""Every test module is imported, and every test run, from the same random state.

Workers of pytest-xdist must collect the same tests, also where a module draws its cases on import.
"""

import importlib.util
import random
import re

import numpy as np
import pytest

import torchcompat

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


def pytest_collection_modifyitems(items):
    """Names of tests carry no addresses, which differ between workers."""
    for position, item in enumerate(items):
        if " at 0x" in item.nodeid:
            item._nodeid = f"{re.sub(' at 0x[0-9a-f]*', '', item.nodeid)}-{position}"
