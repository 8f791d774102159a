"""Twenty steps of a small network under torch and torchcompat: the same curve, state and checkpoints.

Every optimizer, eager and compiled. The default run compiles some of them and resumes those with
different kinds of state; `TORCHCOMPAT_WHOLE=1` does both for all.
"""

from __future__ import annotations

import functools
import io
import os

import pytest
import torch

import torchcompat
from tests._training import IN_PARTS, OPTIMIZERS, STEPS, Run, check_same

WHOLE = bool(os.environ.get("TORCHCOMPAT_WHOLE"))
COMPILED = [name for name in OPTIMIZERS if WHOLE or name in ("SGD", "Adam", *IN_PARTS)]
RESUMED = [*OPTIMIZERS] if WHOLE else ["SGD", "Adam", "NAdam", "ASGD", "Adafactor"]
HALF = STEPS // 2


@functools.cache
def theirs(name: str) -> tuple[Run, bytes]:
    """torch's run, and its checkpoint half-way."""
    run = Run(torch, name).train(0, HALF)
    half = run.saved().getvalue()
    return run.train(HALF, STEPS), half


def check_run(ours: Run, name: str) -> None:
    reference = theirs(name)[0]
    check_same(ours.losses, reference.losses[-len(ours.losses) :])
    check_same(ours.state(), reference.state())


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_eager(name):
    check_run(Run(torchcompat, name).train(0, STEPS), name)


@pytest.mark.filterwarnings("ignore:compile. .* runs as it is")
@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name):
    ours = Run(torchcompat, name, compiled=True).train(0, STEPS)
    check_run(ours, name)
    assert ours.traces <= 5 or name in IN_PARTS


@pytest.mark.parametrize("name", RESUMED)
def test_torchs_checkpoint_continues_here(name):
    ours = Run(torchcompat, name).resume(io.BytesIO(theirs(name)[1])).train(HALF, STEPS)
    check_run(ours, name)


@pytest.mark.parametrize("name", RESUMED)
def test_our_checkpoint_continues_in_torch(name):
    half = Run(torchcompat, name).train(0, HALF).saved()
    resumed = Run(torch, name).resume(half).train(HALF, STEPS)
    reference = theirs(name)[0]
    assert resumed.losses == pytest.approx(reference.losses[HALF:], rel=1e-4)
    for key, value in reference.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:compile. .* runs as it is")
@pytest.mark.parametrize("name", COMPILED if WHOLE else ["Adam"])
def test_checkpoint_loaded_into_a_compiled_run(name):
    ours = Run(torchcompat, name, compiled=True).train(0, 2)
    ours.losses.clear()
    check_run(ours.resume(io.BytesIO(theirs(name)[1])).train(HALF, STEPS), name)


def test_lbfgs_is_no_one_program():
    run = Run(torchcompat, "LBFGS")
    run.step = torchcompat.compile(run._step, fullgraph=True)
    with pytest.raises(NotImplementedError, match="LBFGS"):
        run.train(0, 1)
