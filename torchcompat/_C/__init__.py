"""The few names of torch's compiled half that Python code reaches for."""

from torchcompat._C import (
    _autograd,
    _fft,
    _functions,
    _functorch,
    _linalg,
    _names,
    _nn,
    _special,
    _VariableFunctions,
)
from torchcompat._C._graph_task import (
    _current_autograd_node,
    _current_graph_task_execution_order,
    _current_graph_task_id,
    _WeakTensorRef,
    _will_engine_execute_node,
)
from torchcompat._C._names import (
    COMPILED,
    DispatchKey,
    DispatchKeySet,
    _are_functorch_transforms_active,
    _AutoDispatchBelowAutograd,
    _ConvBackend,
    _DisableFuncTorch,
    _ExcludeDispatchKeyGuard,
    _get_accelerator,
    _get_cpp_backtrace,
    _get_privateuse1_backend_name,
    _get_torch_function_state,
    _get_tracing_state,
    _has_cuda,
    _has_mps,
    _has_storage,
    _has_xpu,
    _is_torch_function_mode_enabled,
    _jit_can_fuse_on_cpu,
    _jit_can_fuse_on_gpu,
    _jit_override_can_fuse_on_cpu,
    _jit_override_can_fuse_on_gpu,
    _jit_set_nvfuser_enabled,
    _jit_set_nvfuser_guard_mode,
    _jit_set_profiling_executor,
    _jit_set_profiling_mode,
    _jit_set_texpr_fuser_enabled,
    _len_torch_dispatch_stack,
    _len_torch_function_stack,
    _log_api_usage_once,
    _TorchFunctionState,
)
from torchcompat._device import device
from torchcompat._dtype import dtype
from torchcompat._memory_format import layout, memory_format
from torchcompat._random import Generator
from torchcompat._tensor import Size
from torchcompat._tensor import Tensor as TensorBase
from torchcompat._tensor._autograd import is_grad_enabled
from torchcompat._tensor._autograd import set_grad_enabled as _set_grad_enabled
from torchcompat.autograd.forward_ad import _is_fwd_grad_enabled, _set_fwd_grad_enabled
from torchcompat.backends.cpu import get_cpu_capability as _get_cpu_capability
from torchcompat.overrides import (
    DisableTorchFunction,
    DisableTorchFunctionSubclass,
    _disabled_torch_function_impl,
)

_TensorBase = TensorBase
has_lapack = has_spectral = True
_TensorMeta = type(TensorBase)
globals().update({name: getattr(_names, name) for name in COMPILED.split()})

__all__ = [
    *COMPILED.split(),
    "_WeakTensorRef",
    "_current_autograd_node",
    "_autograd",
    "_current_graph_task_execution_order",
    "_current_graph_task_id",
    "_is_fwd_grad_enabled",
    "_set_fwd_grad_enabled",
    "_set_grad_enabled",
    "is_grad_enabled",
    "_will_engine_execute_node",
    "DisableTorchFunction",
    "DisableTorchFunctionSubclass",
    "DispatchKey",
    "DispatchKeySet",
    "Generator",
    "Size",
    "TensorBase",
    "_AutoDispatchBelowAutograd",
    "_ConvBackend",
    "_DisableFuncTorch",
    "_ExcludeDispatchKeyGuard",
    "_TensorBase",
    "_TorchFunctionState",
    "_TensorMeta",
    "_VariableFunctions",
    "_are_functorch_transforms_active",
    "_disabled_torch_function_impl",
    "_fft",
    "_functorch",
    "_functions",
    "_get_accelerator",
    "_get_cpp_backtrace",
    "_get_cpu_capability",
    "_get_privateuse1_backend_name",
    "_get_torch_function_state",
    "_get_tracing_state",
    "_has_cuda",
    "_has_mps",
    "_has_storage",
    "_has_xpu",
    "_is_torch_function_mode_enabled",
    "_jit_can_fuse_on_cpu",
    "_jit_can_fuse_on_gpu",
    "_jit_override_can_fuse_on_cpu",
    "_jit_override_can_fuse_on_gpu",
    "_jit_set_nvfuser_enabled",
    "_jit_set_nvfuser_guard_mode",
    "_jit_set_profiling_executor",
    "_jit_set_profiling_mode",
    "_jit_set_texpr_fuser_enabled",
    "_linalg",
    "_len_torch_dispatch_stack",
    "_len_torch_function_stack",
    "_log_api_usage_once",
    "_nn",
    "_special",
    "device",
    "dtype",
    "layout",
    "memory_format",
]
