"""Runs one function with `torch` bound to each library; what it returns or raises can be compared."""

import numpy as np
import torch as real

import torchcompat as ours


def outcome(scenario, torch):
    """What a scenario returns, tensors as nested lists; or the type and text of its error."""
    try:
        return plain(scenario(torch))
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        return type(error).__name__, str(error).splitlines()[0]


def plain(x):
    if isinstance(x, (real.Tensor, ours.Tensor)):
        return np.asarray(x.detach()).tolist()
    if isinstance(x, (list, tuple)):
        return [plain(one) for one in x]
    if isinstance(x, dict):
        return {key: plain(one) for key, one in x.items()}
    return x
