"""Every class of `torch.nn` against torch: the 114 entries of `module_db`, and rows for the rest.

The default run takes one row of each, and each of the further checks for a part of the classes in
turn. `TORCHCOMPAT_WHOLE=1` takes all of them: all rows in float32, some of each for the rest.
"""

from __future__ import annotations

import pytest
import torch

from tests import _record
from tests._module_cases import INFO, NAMES, NO_GRADIENT, NOT_A_LAYER, WHOLE
from tests._module_checks import (
    DRAWS,
    EXCLUDED_GRADIENTS,
    check_backward,
    check_compiled,
    check_copies,
    check_gradients,
    check_values,
    failures,
)
from tests._module_rows import EXTRA
from tests._record import BRIEF

# Rows of a class and mode: of values and gradients in float32, and of the other checks.
ROWS, OTHERS = (None, 4) if WHOLE else (1, 1)
MODES = [(name, training) for name in NAMES for training in (True, False)]


def part(period: int, turn: int = 0) -> list[tuple[str, bool]]:
    """Every `period`-th class and mode (all of them for the whole sweep)."""
    if BRIEF:
        return [(name, i % 2 == turn % 2) for i, name in enumerate(NAMES)]
    return MODES if WHOLE else MODES[turn::period]


def run(name, training, dtype, checks, count):
    found = list(failures(name, training, dtype, checks, count))
    assert not found, "\n".join(found)


def test_every_class_is_here():
    assert len(INFO) == 114 and set(INFO) <= set(NAMES)
    assert not set(INFO) & set(EXTRA)
    assert {*NAMES, *NOT_A_LAYER} == set(torch.nn.modules.__all__)
    assert {*DRAWS, *EXCLUDED_GRADIENTS, *NO_GRADIENT} <= set(NAMES)
    for name, reason in NOT_A_LAYER.items():
        _record.note("modules", name, reason)


@pytest.mark.parametrize("name, training", MODES)
def test_float32(name, training):
    run(name, training, torch.float32, (check_values, check_copies, check_gradients), ROWS)


@pytest.mark.parametrize("name, training", part(12))
def test_backward(name, training):
    run(name, training, torch.float32, (check_backward,), OTHERS)


@pytest.mark.parametrize("name, training", part(12, 5))
def test_compiled(name, training):
    run(name, training, torch.float32, (check_compiled,), OTHERS)


@pytest.mark.parametrize("name, training", part(16, 3))
def test_float64(name, training):
    run(name, training, torch.float64, (check_values, check_gradients, check_backward), OTHERS)


@pytest.mark.parametrize("name, training", part(16, 7))
def test_bfloat16(name, training):
    run(name, training, torch.bfloat16, (check_values,), OTHERS)
