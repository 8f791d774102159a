"""`torch.quasirandom`: the same points as torch's, bit for bit."""

import numpy as np
import pytest
import torch

import torchcompat
from torchcompat.quasirandom import SobolEngine


@pytest.mark.parametrize(
    ("dimension", "scramble", "seed"), [(1, False, None), (3, False, None), (5, True, 7)]
)
def test_points(dimension, scramble, seed):
    theirs = torch.quasirandom.SobolEngine(dimension, scramble, seed)
    ours = SobolEngine(dimension, scramble, seed)
    assert repr(ours) == repr(theirs)
    for n in (1, 0, 6):
        np.testing.assert_array_equal(ours.draw(n), theirs.draw(n))
    ours.fast_forward(2), theirs.fast_forward(2)
    wide = ours.draw(3, dtype=torchcompat.float64), theirs.draw(3, dtype=torch.float64)
    np.testing.assert_array_equal(*wide)
    assert ours.num_generated == theirs.num_generated
    np.testing.assert_array_equal(ours.reset().draw_base2(2), theirs.reset().draw_base2(2))


def test_errors():
    for engine in (torch.quasirandom.SobolEngine, SobolEngine):
        with pytest.raises(ValueError, match=r"SobolEngine is \[1, 21201\]"):
            engine(21202)
        with pytest.raises(ValueError, match=r"n=1\+2\*\*1=3"):
            engine(2).fast_forward(1).draw_base2(1)
