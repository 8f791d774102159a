"""`torch.fx.experimental.proxy_tensor`: no tracing by tensors runs here, and `make_fx` is absent."""

from typing import TYPE_CHECKING, Any

from torchcompat._absent import fill

__all__ = ["get_innermost_proxy_mode", "get_proxy_mode"]


def get_proxy_mode() -> None:
    """None: no tensor is a proxy."""
    return


get_innermost_proxy_mode = get_proxy_mode

fill(
    globals(),
    "operations are not recorded as aten calls; use torch.fx.symbolic_trace",
    functions="make_fx",
)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
