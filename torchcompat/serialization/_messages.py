"""The error texts of `torch.load` that more than one module needs."""

from __future__ import annotations

import re
from pickle import UnpicklingError

UNSAFE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will "
    "likely succeed, but it can result in arbitrary code execution. Do it only if you got the file "
    "from a trusted source."
)
_DOCS = (
    "\n\nCheck the documentation of torch.load to learn more about types accepted by default with "
    "weights_only https://pytorch.org/docs/stable/generated/torch.load.html."
)
_BOLD, _PLAIN = "\033[1m", "\033[0m"


def weights_only_error(error: UnpicklingError) -> UnpicklingError:
    """The error that `load(weights_only=True)` raises where its unpickler raised `error`."""
    text = str(error)
    if re.search(r"GLOBAL (\S+) was not an allowed global by default.", text):
        lead = (
            "Weights only load failed. This file can still be loaded, to do so you have two "
            f"options, {_BOLD}do those steps only if you trust the source of the checkpoint"
            f"{_PLAIN}. \n\t(1) {UNSAFE}\n\t(2) Alternatively, to load with `weights_only=True` "
            "please check the recommended steps in the following error message."
            "\n\tWeightsUnpickler error: "
        )
        return UnpicklingError(lead + text + _DOCS)
    lead = f"Weights only load failed. {UNSAFE}\n"
    if "is blocked" not in text:
        lead += (
            "Please file an issue with the following so that we can make `weights_only=True` "
            "compatible with your use case: WeightsUnpickler error: "
        )
    return UnpicklingError(f"{lead}\n\n{text}{_DOCS}")
