"""`MaskedTensor`: a prototype of torch's, which is refused."""

from typing import Any

from torchcompat._absent import fill

fill(
    globals(),
    "keep a tensor and its mask, and use the functions of torch.masked",
    classes="MaskedTensor",
    functions="as_masked_tensor masked_tensor",
)


def is_masked_tensor(obj: Any, /) -> bool:
    """False: there are none."""
    return False
