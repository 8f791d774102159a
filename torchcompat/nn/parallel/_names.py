"""`DataParallel` and `DistributedDataParallel` on the one device there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torchcompat._absent import fill
from torchcompat.nn.modules.module import Module

_UNINITIALIZED = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


class DataParallel(Module):
    """Runs `module`, on one device; JAX spreads a batch by sharding its inputs.

    Args:
        module: the module; its parameters are named `module.<name>` here.
        device_ids: at most one device.
        output_device: accepted.
        dim: accepted.

    Raises:
        NotImplementedError: several devices are named.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise NotImplementedError(f"DataParallel: device_ids={device_ids}")
        self.module = module
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device, self.dim = output_device, dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's output."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(Module):
    """Trains one module in several processes, which needs a process group: there is none.

    Raises:
        ValueError: always, as in torch before `init_process_group`.
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        raise ValueError(_UNINITIALIZED)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """A context that changes nothing: there is nothing to keep in step with."""
        yield


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict | None = None,
) -> Any:
    """Runs `module` on one device.

    Raises:
        NotImplementedError: several devices are named.
    """
    parallel = DataParallel(module, device_ids, output_device, dim)
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    return parallel(*arguments, **(module_kwargs or {}))


fill(
    globals(),
    "JAX spreads arrays over devices (jax.device_put with a sharding)",
    functions="replicate scatter parallel_apply gather",
)
