"""`torch.autograd`: gradients by the recorded graph."""

from torchcompat._tensor._autograd import enable_grad, inference_mode, no_grad, set_grad_enabled
from torchcompat.autograd import _methods as _methods
from torchcompat.autograd import anomaly_mode as anomaly_mode
from torchcompat.autograd import forward_ad as forward_ad
from torchcompat.autograd import function as function
from torchcompat.autograd import functional as functional
from torchcompat.autograd import grad_mode as grad_mode
from torchcompat.autograd import graph as graph
from torchcompat.autograd import profiler as profiler
from torchcompat.autograd import variable as variable
from torchcompat.autograd._passes import _calculate_shape as _calculate_shape
from torchcompat.autograd._passes import backward, grad
from torchcompat.autograd._shown import SavedTensor as SavedTensor
from torchcompat.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from torchcompat.autograd.function import Function, NestedIOFunction
from torchcompat.autograd.grad_mode import (
    _force_original_view_tracking as _force_original_view_tracking,
)
from torchcompat.autograd.grad_mode import (
    _unsafe_preserve_version_counter as _unsafe_preserve_version_counter,
)
from torchcompat.autograd.grad_mode import (
    enforce_grad_layout_policy,
    set_multithreading_enabled,
)
from torchcompat.autograd.grad_mode import (
    is_multithreading_enabled as is_multithreading_enabled,
)
from torchcompat.autograd.grad_mode import (
    is_view_replay_enabled as is_view_replay_enabled,
)
from torchcompat.autograd.gradcheck import GradcheckError as GradcheckError
from torchcompat.autograd.gradcheck import gradcheck, gradgradcheck
from torchcompat.autograd.variable import Variable
from torchcompat.profiler import ProfilerActivity as ProfilerActivity
from torchcompat.profiler import kineto_available as kineto_available
from torchcompat.profiler._profile import DeviceType as DeviceType

__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
