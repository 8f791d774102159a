"""`__torch_function__`: objects that are no Tensors (`fx.Proxy`) and yet are given to torch functions.

A check in every function would cost every eager call. Instead the functions carry no check at all
until someone asks for one (`hold`): then the code object of each public function is exchanged, in
place, for one that looks at its arguments, so that a function imported by name sees it as well. The
last `release` puts the functions' own code back.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat._tensor import Tensor

# Where the functions stand and whether torch's own are in Python, which hands on full keywords.
_PLACES = {
    "torchcompat": "torch",
    "torchcompat.functional": "torch.functional",
    "torchcompat.nn.functional": "torch.nn.functional",
    "torchcompat.linalg": "torch._C._linalg",
    "torchcompat.special": "torch._C._special",
    "torchcompat.fft": "torch._C._fft",
}
# Functions that take no tensors, or look at what they are given whatever it is.
_PLAIN = frozenset(
    """as_tensor asarray compile default_generator dtype enable_grad from_dlpack from_numpy frombuffer
    get_default_device get_default_dtype get_num_interop_threads get_num_threads get_printoptions
    get_rng_state inference_mode initial_seed is_anomaly_enabled is_deterministic is_grad_enabled
    is_inference_mode_enabled is_storage is_tensor is_warn_always_enabled load manual_seed no_grad
    promote_types save seed set_default_device set_default_dtype set_default_tensor_type
    set_grad_enabled set_num_interop_threads set_num_threads set_printoptions set_rng_state
    sparse_coo_tensor tensor typename use_deterministic_algorithms set_flush_denormal vmap cond
    get_autocast_dtype is_autocast_enabled set_autocast_enabled get_device_module result_type can_cast
    is_distributed are_deterministic_algorithms_enabled""".split()
)
# `nn.functional`'s functions that are compiled in torch, by the namespace where torch has them.
_NN = frozenset(
    """avg_pool2d avg_pool3d elu_ gelu hardtanh_ leaky_relu_ linear logsigmoid one_hot
    scaled_dot_product_attention softplus softshrink""".split()
)
_COMPILED = frozenset(
    """adaptive_avg_pool1d avg_pool1d bilinear celu_ channel_shuffle conv1d conv2d conv3d conv_tbc
    conv_transpose1d conv_transpose2d conv_transpose3d cosine_similarity hardshrink
    native_channel_shuffle pairwise_distance pdist pixel_shuffle pixel_unshuffle prelu relu_ rrelu_
    selu_ threshold_""".split()
)
# Functions of `torch` that are written in Python there.
_PYTHON = frozenset(
    """align_tensors atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors
    cartesian_prod cdist chain_matmul einsum istft lu meshgrid norm split stft tensordot unique
    unique_consecutive unravel_index""".split()
)
# What these call in turn: torch's `F.sigmoid` is the tensor's method.
_AS_METHODS = frozenset({"sigmoid", "tanh"})
_OPERATORS = {
    "__add__": "add",
    "__sub__": "sub",
    "__mul__": "mul",
    "__truediv__": "div",
    "__pow__": "pow",
    "__mod__": "remainder",
    "__matmul__": "matmul",
    "__lt__": "lt",
    "__le__": "le",
    "__gt__": "gt",
    "__ge__": "ge",
    "__eq__": "eq",
    "__ne__": "ne",
}


class Overridable:
    """One public function: its name in torch, and how torch hands its arguments on.

    Attributes:
        title: torch's qualified name, `torch.nn.functional.relu`.
        method: name of the tensor method it is, or None.
        full: whether optional arguments are handed on as keywords, all of them.
    """

    __slots__ = ("function", "title", "method", "full", "code", "watching", "plain", "__dict__")

    def __init__(self, function: types.FunctionType, title: str, method: str | None, full: bool):
        self.function, self.title, self.method, self.full = function, title, method, full
        self.code = function.__code__
        self.plain = types.FunctionType(
            self.code,
            function.__globals__,
            function.__name__,
            function.__defaults__,
            function.__closure__,
        )
        self.plain.__kwdefaults__ = function.__kwdefaults__
        self.plain.__dict__.update(function.__dict__)
        self.watching = _watching(self)

    def __deepcopy__(self, memo: dict) -> Overridable:
        return self

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.plain)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        overloaded = overriding(args, kwargs)
        if not overloaded:
            return self.plain(*args, **kwargs)
        if self.full:
            args, kwargs = self.filled(args, kwargs)
        for one in overloaded:
            types_ = tuple(map(type, overloaded))
            result = type(one).__torch_function__(self.function, types_, args, kwargs)
            if result is not NotImplemented:
                return result
        raise TypeError(
            f"no implementation found for '{self.title}' on types that implement "
            f"__torch_function__: {list(map(type, overloaded))}"
        )

    def filled(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        """Required arguments in their places, all others by keyword."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            return args, kwargs
        bound.apply_defaults()
        places, words = [], {}
        for name, parameter in self.signature.parameters.items():
            value = bound.arguments[name]
            if parameter.kind is parameter.VAR_POSITIONAL:
                places += value
            elif parameter.kind is parameter.VAR_KEYWORD:
                words.update(value)
            elif parameter.default is parameter.empty:
                places.append(value)
            else:
                words[name] = value
        return tuple(places), words


def _watching(which: Overridable) -> types.CodeType:
    """Code that hands every call to `which`, fit to stand in the function's place."""

    def watch(*args: Any, **kwargs: Any) -> Any:
        call: Any = "which"  # the constant that is exchanged below
        return call(*args, **kwargs)

    code = watch.__code__
    own = which.code
    consts = tuple(which if one == "which" else one for one in code.co_consts)
    return code.replace(
        co_consts=consts,
        co_freevars=own.co_freevars,
        co_name=own.co_name,
        co_qualname=own.co_qualname,
        co_filename=own.co_filename,
    )


def overriding(args: Iterable, kwargs: dict[str, Any]) -> list:
    """The arguments whose types have their own `__torch_function__`, looking one list deep."""
    found: list = []
    for x in (*args, *kwargs.values()):
        if isinstance(x, (tuple, list)):
            for one in x:
                _note(found, one)
        else:
            _note(found, x)
    return found


def _note(found: list, x: Any) -> None:
    kind = type(x)
    if kind is Tensor or getattr(kind, "__torch_function__", _TENSORS) is _TENSORS:
        return
    if kind not in map(type, found) and not issubclass(kind, Tensor):
        found.append(x)


_TENSORS = getattr(Tensor, "__torch_function__", None)
_lock = threading.RLock()
_holders = 0
_known: dict[int, Overridable] = {}


def hold() -> None:
    """Has the public functions look for `__torch_function__` until `release` is called as often."""
    global _holders
    with _lock:
        _holders += 1
        if _holders == 1:
            for one in functions():
                one.function.__code__ = one.watching


def release() -> None:
    """Undoes one `hold`."""
    global _holders
    with _lock:
        _holders -= 1
        if _holders == 0:
            for one in functions():
                one.function.__code__ = one.code


def functions() -> list[Overridable]:
    """Every public function and Tensor method, found anew where a module was loaded since."""
    marks = tuple(len(vars(sys.modules[name])) for name in _PLACES if name in sys.modules)
    if _marks.get("modules") != marks:
        _marks["modules"] = marks
        for function, title, method, full in _found():
            if id(function) not in _known:
                _known[id(function)] = Overridable(function, title, method, full)
    return list(_known.values())


_marks: dict[str, tuple] = {}


def _found() -> Iterator[tuple[types.FunctionType, str, str | None, bool]]:
    for place, title in _PLACES.items():
        module = sys.modules.get(place)
        for name, value in vars(module).items() if module is not None else ():
            if isinstance(value, types.FunctionType) and _is_public(place, name, value):
                yield (value, *_described(place, title, name))
    for kind in reversed(Tensor.__mro__[:-1]):
        for name, value in vars(kind).items():
            if isinstance(value, types.FunctionType) and _takes_tensors(name, value):
                yield value, f"torch.Tensor.{name}", _OPERATORS.get(name, name), False


def _is_public(place: str, name: str, value: types.FunctionType) -> bool:
    if name in _PLAIN or not (value.__module__ or "").startswith("torchcompat"):
        return False
    return not name.startswith("_") or name in ("_assert", "_threshold")


_DUNDERS = frozenset(
    """__floordiv__ __and__ __or__ __xor__ __lshift__ __rshift__ __getitem__ __setitem__ __iadd__
    __isub__ __imul__ __itruediv__""".split()
)


def _takes_tensors(name: str, value: types.FunctionType) -> bool:
    """Whether a Tensor method has a second argument that may be something else than a Tensor."""
    if name.startswith("__"):
        return name in _OPERATORS or name in _DUNDERS
    return not name.startswith("_")


def _described(place: str, title: str, name: str) -> tuple[str, str | None, bool]:
    if place == "torchcompat.nn.functional":
        if name in _AS_METHODS:
            return f"torch.{name}", name, False
        if name in _NN:
            return f"torch._C._nn.{'log_sigmoid' if name == 'logsigmoid' else name}", None, False
        return (
            (f"torch.{name}", None, False) if name in _COMPILED else (f"{title}.{name}", None, True)
        )
    if place == "torchcompat" and name in _PYTHON:
        return f"torch.functional.{name}", None, True
    if title.startswith("torch._C._"):
        family = title.rpartition("_")[2]
        return f"{title}.{family}_{name}", None, False
    return f"{title}.{name}", None, name == "_assert"


def known(function: Callable) -> Overridable | None:
    """What is known of one of our public functions; None for any other."""
    functions()
    return _known.get(id(function))
