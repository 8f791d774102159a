"""`torch._prims.context`: names for imports."""

from torchcompat._absent import fill

fill(
    globals(),
    "ops are not written in torch's primitives",
    classes="TorchRefsMode",
    functions="torch_to_refs_map",
)
