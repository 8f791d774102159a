"""PyTorch's module API on JAX and Flax: `import torchcompat as torch`."""
# ruff: noqa: F403

import importlib as _importlib
import math as _math
import sys as _sys
from typing import Any as _Any

from torchcompat import _einops as _einops
from torchcompat import _ops as _ops
from torchcompat import _overrides as _overrides
from torchcompat import autograd as autograd
from torchcompat import fft as fft
from torchcompat import func as func
from torchcompat import linalg as linalg
from torchcompat import nn as nn
from torchcompat import optim as optim
from torchcompat import quasirandom as quasirandom
from torchcompat import random as random
from torchcompat import serialization as serialization
from torchcompat import signal as signal
from torchcompat import special as special
from torchcompat import utils as utils
from torchcompat._checks import *
from torchcompat._compile import compile as compile
from torchcompat._deterministic import *
from torchcompat._device import device as device
from torchcompat._device import get_default_device as get_default_device
from torchcompat._device import set_default_device as set_default_device
from torchcompat._dtype import BY_NAME as _BY_NAME
from torchcompat._dtype import NAMES_ONLY as _NAMES_ONLY
from torchcompat._dtype import dtype as dtype
from torchcompat._dtype import get_default_dtype as get_default_dtype
from torchcompat._dtype import promote_types as promote_types
from torchcompat._dtype import set_default_dtype as set_default_dtype
from torchcompat._extras import *
from torchcompat._higher_order_ops import cond as cond
from torchcompat._higher_order_ops import while_loop as while_loop
from torchcompat._memory_errors import AcceleratorError as AcceleratorError
from torchcompat._memory_errors import OutOfMemoryError as OutOfMemoryError
from torchcompat._memory_format import _mkldnn as _mkldnn
from torchcompat._memory_format import channels_last as channels_last
from torchcompat._memory_format import channels_last_3d as channels_last_3d
from torchcompat._memory_format import contiguous_format as contiguous_format
from torchcompat._memory_format import jagged as jagged
from torchcompat._memory_format import layout as layout
from torchcompat._memory_format import memory_format as memory_format
from torchcompat._memory_format import per_channel_affine as per_channel_affine
from torchcompat._memory_format import (
    per_channel_affine_float_qparams as per_channel_affine_float_qparams,
)
from torchcompat._memory_format import per_channel_symmetric as per_channel_symmetric
from torchcompat._memory_format import per_tensor_affine as per_tensor_affine
from torchcompat._memory_format import per_tensor_symmetric as per_tensor_symmetric
from torchcompat._memory_format import preserve_format as preserve_format
from torchcompat._memory_format import qscheme as qscheme
from torchcompat._memory_format import sparse_bsc as sparse_bsc
from torchcompat._memory_format import sparse_bsr as sparse_bsr
from torchcompat._memory_format import sparse_coo as sparse_coo
from torchcompat._memory_format import sparse_csc as sparse_csc
from torchcompat._memory_format import sparse_csr as sparse_csr
from torchcompat._memory_format import strided as strided
from torchcompat._precision import *
from torchcompat._settings import *
from torchcompat._streams import Event as Event
from torchcompat._streams import Stream as Stream
from torchcompat._symbolic import *
from torchcompat._tensor import Size as Size
from torchcompat._tensor import Tensor as Tensor
from torchcompat._tensor import _copying as _copying
from torchcompat._tensor import _faces as _faces
from torchcompat._tensor import _operators as _operators
from torchcompat._tensor import _subclassing as _subclassing
from torchcompat._tensor._aten import *
from torchcompat._tensor._autograd import enable_grad as enable_grad
from torchcompat._tensor._autograd import inference_mode as inference_mode
from torchcompat._tensor._autograd import (
    is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled,
)
from torchcompat._tensor._autograd import is_anomaly_enabled as is_anomaly_enabled
from torchcompat._tensor._autograd import is_grad_enabled as is_grad_enabled
from torchcompat._tensor._autograd import (
    is_inference_mode_enabled as is_inference_mode_enabled,
)
from torchcompat._tensor._autograd import no_grad as no_grad
from torchcompat._tensor._autograd import set_grad_enabled as set_grad_enabled
from torchcompat._tensor._bits import *
from torchcompat._tensor._choosing import *
from torchcompat._tensor._combining import *
from torchcompat._tensor._counting import *
from torchcompat._tensor._creation import *
from torchcompat._tensor._faces import FUNCTIONS as _FUNCTIONS
from torchcompat._tensor._factory import *
from torchcompat._tensor._foreach import *
from torchcompat._tensor._former import *
from torchcompat._tensor._gamma import *
from torchcompat._tensor._gradient import *
from torchcompat._tensor._histograms import *
from torchcompat._tensor._indexing import *
from torchcompat._tensor._linalg import *
from torchcompat._tensor._lowrank import *
from torchcompat._tensor._memory import *
from torchcompat._tensor._native import *
from torchcompat._tensor._overloads import *
from torchcompat._tensor._plain import *
from torchcompat._tensor._print import *
from torchcompat._tensor._properties import *
from torchcompat._tensor._sampling import *
from torchcompat._tensor._shaping import *
from torchcompat._tensor._short_time import *
from torchcompat._tensor._splitting import *
from torchcompat._tensor._steps import *
from torchcompat._tensor._storage import *
from torchcompat._tensor._storage_classes import *
from torchcompat._tensor._twins import *
from torchcompat._tensor._types import *
from torchcompat._tensor._windows import *
from torchcompat.amp import GradScaler as GradScaler
from torchcompat.amp import autocast as autocast
from torchcompat.amp._switches import *
from torchcompat.nn._functional.aten import *
from torchcompat.nn._functional.rnn import gru as gru
from torchcompat.nn._functional.rnn import lstm as lstm
from torchcompat.nn._functional.rnn import lstm_cell as lstm_cell
from torchcompat.nn._functional.rnn import rnn_relu as rnn_relu
from torchcompat.nn._functional.rnn import rnn_tanh as rnn_tanh
from torchcompat.nn.modules import *
from torchcompat.nn.parameter import Buffer as Buffer
from torchcompat.nn.parameter import Parameter as Parameter
from torchcompat.serialization import load as load
from torchcompat.serialization import save as save
from torchcompat.utils.dlpack import from_dlpack as from_dlpack
from torchcompat.utils.dlpack import to_dlpack as to_dlpack
from torchcompat.version import __version__ as __version__

e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None

globals().update(_BY_NAME | _NAMES_ONLY)
# Functions written by hand (overloads, creation) take precedence over an op's generated face.
for _name, _function in _FUNCTIONS["torch"].items():
    globals().setdefault(_name, _function)
del _name, _function
_faces.separate(globals())
_einops.install()

# Parts that are loaded when they are first asked for: `torch.jit`, `torch.cuda` ...
_PARTS = frozenset(
    """_C __config__ __future__ _custom_ops _dynamo _higher_order_ops _inductor _jit_internal
    _logging _prims _refs _subclasses _utils _utils_internal accelerator amp ao backends
    classes compiler cpu cuda distributed distributions export functional futures fx hub jit
    library masked mps mtia multiprocessing nested onnx ops overrides profiler quantization
    return_types sparse storage testing torch_version types version xpu""".split()
)


def __getattr__(name: str) -> _Any:
    if name == "torch":
        return _sys.modules[__name__]
    if name == "vmap":
        return func.vmap
    if name == "Future":
        return _importlib.import_module("torchcompat.futures").Future
    if name in _PARTS:
        return _importlib.import_module(f"torchcompat.{name}")
    compiled = _importlib.import_module("torchcompat._C")
    if name in compiled.COMPILED.split() or name in ("DispatchKey", "DispatchKeySet"):
        return getattr(compiled, name)
    raise AttributeError(f"module 'torch' has no attribute '{name}'")
