"""Answers in place of torch's compiled half: no tracing state, no dispatch keys, one executor."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from torchcompat import _device
from torchcompat._absent import fill
from torchcompat._device import device
from torchcompat._tensor import Tensor
from torchcompat._tensor._state import state


class DispatchKey(enum.Enum):
    """torch's dispatch keys, for source that names them."""

    Undefined = 0
    CPU = 1
    CUDA = 2
    XPU = 3
    MPS = 4
    Meta = 5
    QuantizedCPU = 6
    SparseCPU = 7
    BackendSelect = 8
    Python = 9
    Functionalize = 10
    ADInplaceOrView = 11
    Autograd = 12
    AutogradCPU = 13
    AutogradCUDA = 14
    AutogradXPU = 15
    Autocast = 16
    AutocastCPU = 17
    AutocastCUDA = 18
    AutocastXPU = 19
    AutocastMPS = 20
    CompositeImplicitAutograd = 21
    CompositeExplicitAutograd = 22
    PrivateUse1 = 23


class DispatchKeySet:
    """A set of dispatch keys."""

    def __init__(self, *keys: DispatchKey) -> None:
        self.keys = frozenset(keys)

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*self.keys, *other.keys)

    def __and__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self.keys & other.keys))

    def __sub__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self.keys - other.keys))

    def has(self, k: DispatchKey) -> bool:
        """Whether `k` is in the set."""
        return k in self.keys

    def add(self, k: DispatchKey) -> DispatchKeySet:
        """The set with `k`."""
        return DispatchKeySet(*self.keys, k)

    def remove(self, k: DispatchKey) -> DispatchKeySet:
        """The set without `k`."""
        return DispatchKeySet(*(self.keys - {k}))


class _ConvBackend(enum.Enum):
    """Names of torch's kernels of convolution, of which XLA has no need."""

    CudaDepthwise2d = 0
    CudaDepthwise3d = 1
    Cudnn = 2
    CudnnTranspose = 3
    Empty = 4
    Miopen = 5
    MiopenDepthwise = 6
    MiopenTranspose = 7
    Mkldnn = 8
    MkldnnEmpty = 10
    NnpackSpatial = 11
    Overrideable = 12
    Slow2d = 13
    Slow3d = 14
    SlowDilated2d = 15
    SlowDilated3d = 16
    SlowTranspose2d = 17
    SlowTranspose3d = 18
    Winograd3x3Depthwise = 19
    Xnnpack2d = 20
    Mps = 21


class _Guard:
    """A context that has no dispatch keys to keep out: there are no kernels registered under keys."""

    def __init__(self, *keys: Any) -> None:
        self.keys = keys

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        return None


_ExcludeDispatchKeyGuard = _AutoDispatchBelowAutograd = _DisableFuncTorch = _Guard


def _get_tracing_state() -> None:
    """None: TorchScript traces nothing."""
    return


def _get_accelerator(check: Any = None) -> device:
    """The device of the accelerator; the CPU where there is none."""
    return device(_device.default_accelerator())


def _get_privateuse1_backend_name() -> str:
    """The name that torch gives a backend nobody has named."""
    return "privateuseone"


class _TorchFunctionState(enum.Enum):
    """Whether `__torch_function__` is asked."""

    ENABLED = 0
    SUBCLASSES_DISABLED = 1
    ALL_DISABLED = 2


def _log_api_usage_once(event: str) -> None:
    """Nothing: use is not logged."""


def _get_cpp_backtrace(frames_to_skip: int = 0, maximum_number_of_frames: int = 64) -> str:
    """The empty string: there is no compiled half."""
    return ""


def _is_torch_function_mode_enabled() -> bool:
    """Whether a `TorchFunctionMode` sees the functions called here."""
    return bool(state.override_modes)


def _len_torch_function_stack() -> int:
    """0: as `_is_torch_function_mode_enabled`."""
    return 0


def _len_torch_dispatch_stack() -> int:
    """0: no `TorchDispatchMode` sees the ops called here."""
    return 0


def _get_torch_function_state() -> _TorchFunctionState:
    """That outside of `DisableTorchFunction`."""
    return _TorchFunctionState.ENABLED


def _are_functorch_transforms_active() -> bool:
    """False: JAX's transformations are seen in tensors' values, not in a mode."""
    return False


def _has_storage(x: Tensor) -> bool:
    """True: every tensor has one."""
    return True


_has_cuda = _has_xpu = _has_mps = False


def _former(value: bool = False) -> bool:
    """A switch of TorchScript's executors, which are not here: the former setting, False."""
    return False


_jit_set_profiling_executor = _jit_set_profiling_mode = _jit_set_nvfuser_enabled = _former
_jit_set_texpr_fuser_enabled = _jit_set_nvfuser_guard_mode = _former
_jit_override_can_fuse_on_cpu = _jit_override_can_fuse_on_gpu = _former
_jit_can_fuse_on_cpu = _jit_can_fuse_on_gpu = _former

# The classes that `torch` has from here, for source that names them in annotations and checks.
COMPILED = """AnyType Argument Block BoolType ClassType Code CompilationUnit ComplexType DictType EnumType
ErrorReport FileCheck FloatType FunctionSchema FutureType Graph InterfaceType IntType ListType
LiteScriptModule Node NoneType NumberType OptionalType PyTorchFileReader PyTorchFileWriter ScriptDict
ScriptFunction ScriptList ScriptMethod ScriptModule ScriptObject StringType SymBoolType SymIntType
TensorType TracingState TupleType Type UnionType Value"""
fill(globals(), "there is no TorchScript and no compiled half of torch", classes=COMPILED)

if TYPE_CHECKING:  # what `fill` adds

    def __getattr__(name: str) -> Any: ...
