"""`__torch_function__`: objects that answer torch functions themselves, and modes that see every call.

Such are `fx.Proxy`, instances of a subclass of Tensor, and anything else that has the method.
A check in every function would cost every eager call. Instead the functions carry no check at all
until someone asks for one (`hold`): then the code object of each public function is exchanged, in
place, for one that looks at its arguments, so that a function imported by name sees it as well. The
last `release` puts the functions' own code back. Each instance of a subclass of Tensor asks while it
lives.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchcompat._ops._registry import MISSING, Row
from torchcompat._tensor import Tensor
from torchcompat._tensor._dispatch import strangers
from torchcompat._tensor._faces import FUNCTIONS
from torchcompat._tensor._state import state
from torchcompat._tensor._subclassing import disabled
from torchcompat._tensor._tensor import on_subclass

# Where the functions stand and whether torch's own are in Python, which hands on full keywords.
_PLACES = {
    "torchcompat": "torch",
    "torchcompat.functional": "torch.functional",
    "torchcompat.nn.functional": "torch.nn.functional",
    "torchcompat.linalg": "torch._C._linalg",
    "torchcompat.special": "torch._C._special",
    "torchcompat.fft": "torch._C._fft",
}
# Functions that are asked of modes only: what they are given may be anything.
_MAKERS = frozenset(
    """arange as_tensor asarray bartlett_window blackman_window empty empty_permuted empty_strided eye
    fftfreq from_dlpack from_numpy frombuffer full hamming_window hann_window kaiser_window linspace
    logspace ones rand randint randn randperm range rfftfreq scalar_tensor tensor tril_indices
    triu_indices zeros""".split()
)
# Functions that take no tensors, or look at what they are given whatever it is.
_PLAIN = frozenset(
    """autocast_decrement_nesting autocast_increment_nesting broadcast_shapes clear_autocast_cache
    compiled_with_cxx11_abi get_autocast_cpu_dtype get_autocast_gpu_dtype get_deterministic_debug_mode
    get_float32_matmul_precision is_anomaly_check_nan_enabled is_autocast_cache_enabled
    is_autocast_cpu_enabled is_deterministic_algorithms_warn_only_enabled is_vulkan_available
    set_autocast_cache_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled set_autocast_dtype
    set_autocast_gpu_dtype set_deterministic_debug_mode set_float32_matmul_precision set_warn_always
    compile default_generator dtype enable_grad
    get_default_device get_default_dtype get_num_interop_threads get_num_threads get_printoptions
    get_rng_state inference_mode initial_seed is_anomaly_enabled is_deterministic is_grad_enabled
    is_inference_mode_enabled is_storage is_tensor is_warn_always_enabled load manual_seed no_grad
    promote_types save seed set_default_device set_default_dtype set_default_tensor_type
    set_grad_enabled set_num_interop_threads set_num_threads set_printoptions set_rng_state
    sparse_coo_tensor typename use_deterministic_algorithms set_flush_denormal vmap cond
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
        shown: what `__torch_function__` is told was called.
        looks: whether its arguments are asked; if not, only modes see it.
        place: the module or class where it is.
    """

    __slots__ = "function title method full shown looks place code watching plain __dict__".split()

    def __init__(
        self,
        function: types.FunctionType,
        title: str,
        method: str | None = None,
        full: bool = False,
        shown: Callable | None = None,
        looks: bool = True,
        place: Any = Tensor,
    ):
        self.function, self.title, self.method, self.full = function, title, method, full
        self.shown, self.looks = function if shown is None else shown, looks
        self.place = place
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
        found = inspect.signature(self.plain)
        parameters = [
            p.replace(default=p.empty) if p.default is MISSING else p
            for p in found.parameters.values()
        ]
        return found.replace(parameters=parameters)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        overloaded = overriding(args, kwargs) if self.looks else []
        if not overloaded and not state.override_modes:
            return self.plain(*args, **kwargs)
        if self.full:
            args, kwargs = self.filled(args, kwargs)
            overloaded += [x for x in (*args, *kwargs.values()) if type(x) is Tensor][:1]
        result = answer(self.shown, overloaded, args, kwargs)
        if result is not NotImplemented or self.function.__name__ in _BINARY:
            return result
        raise TypeError(self._unanswered(overloaded))

    def _unanswered(self, overloaded: list) -> str:
        if self.full:
            return no_implementation(self.title, overloaded)
        asked = [f"mode object {one!r}" for one in reversed(state.override_modes[-1:])]
        asked += [f"tensor subclass {type(one)!r}" for one in overloaded]
        lines = "".join(f"\n  - {one}" for one in asked)
        return (
            f"Multiple dispatch failed for '{self.title.replace('torch._C._', 'torch.')}'; all "
            f"__torch_function__ handlers returned NotImplemented:\n{lines}\n\nFor more information, "
            "try re-running with TORCH_LOGS=not_implemented"
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


def answer(function: Callable, overloaded: list, args: tuple, kwargs: dict) -> Any:
    """The innermost mode's answer, else the first of `overloaded`'s; NotImplemented if none has one."""
    kinds = tuple(map(type, overloaded))
    if state.override_modes:
        kept = state.override_modes
        state.override_modes, mode = kept[:-1], kept[-1]
        try:
            result = mode.__torch_function__(function, kinds, args, kwargs)
        finally:
            state.override_modes = kept
        if result is not NotImplemented:
            return result
    for kind in kinds:
        result = kind.__torch_function__(function, kinds, args, kwargs)  # type: ignore[attr-defined]
        if result is not NotImplemented:
            return result
    return NotImplemented


def ask(function: Callable, title: str, overloaded: list, args: tuple, kwargs: dict) -> Any:
    """The `answer` to a call of a function that is written in Python in torch.

    Raises:
        TypeError: nobody answers.
    """
    result = answer(function, overloaded, args, kwargs)
    if result is NotImplemented:
        raise TypeError(no_implementation(title, overloaded))
    return result


def no_implementation(title: str, overloaded: list) -> str:
    """The text of torch's error where nobody answers."""
    return (
        f"no implementation found for '{title}' on types that implement "
        f"__torch_function__: {list(map(type, overloaded))}"
    )


def overriding(args: Iterable, kwargs: dict[str, Any]) -> list:
    """An argument of each type that has its own `__torch_function__`, looking one list deep.

    Subclasses stand before their bases, all others from left to right.
    """
    found: list = []
    if not state.overriding:
        return found
    for x in (*args, *kwargs.values()):
        if isinstance(x, (tuple, list)):
            for one in x:
                _note(found, one)
        else:
            _note(found, x)
    return found


def _note(found: list, x: Any) -> None:
    kind = type(x)
    if kind in _ORDINARY or not answers(kind) or kind in map(type, found):
        return
    later = (i for i, other in enumerate(found) if issubclass(kind, type(other)))
    found.insert(next(later, len(found)), x)


_ORDINARY = frozenset({Tensor, int, float, bool, complex, str, type(None)})


def answers(kind: type) -> bool:
    """Whether instances of a type are asked by torch functions."""
    own = getattr(kind, "__torch_function__", disabled)
    return own is not disabled and kind is not Tensor


def _meet(instance: Tensor) -> None:
    if answers(type(instance)):
        hold()
        weakref.finalize(instance, release).atexit = False


def _meet_stranger(row: Row, args: tuple) -> Any:
    """Runs the function of a failed call again if an object among its arguments answers it.

    Nothing told of that object before, so from now on all functions look.
    """
    if not overriding(args, {}) or _holders:
        return NotImplemented
    hold()
    given = [(name, x) for name, x in zip(row.names, args) if x is not row.defaults.get(name, row)]
    words = set(row.names[len(row.names) - row.kwonly :])
    positional = [x for name, x in given if name not in words]
    return FUNCTIONS["all"][row.name](*positional, **{n: x for n, x in given if n in words})


on_subclass.append(_meet)
strangers.append(_meet_stranger)
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
        for one in _found():
            if id(one.function) not in _known:
                _known[id(one.function)] = one
                if _holders:
                    one.function.__code__ = one.watching
    return list(_known.values())


_marks: dict[str, tuple] = {}


def _found() -> Iterator[Overridable]:
    for place, title in _PLACES.items():
        module = sys.modules.get(place)
        for name, value in vars(module).items() if module is not None else ():
            if isinstance(value, types.FunctionType) and _is_public(place, name, value):
                looks = place != "torchcompat" or name not in _MAKERS
                described = _described(place, title, name)
                yield Overridable(value, *described, looks=looks, place=module)
    for name, value in vars(Tensor).items():
        if isinstance(value, types.FunctionType) and _is_method(name):
            shown = getattr(Tensor, _shown_as(name))
            yield Overridable(
                value, f"torch.Tensor.{name}", _OPERATORS.get(name, name), shown=shown
            )
        elif isinstance(value, property) and not name.startswith("_"):
            yield from _accessors(name, value)


def _accessors(name: str, value: property) -> Iterator[Overridable]:
    for part, function in (("get", value.fget), ("set", value.fset), ("delete", value.fdel)):
        if isinstance(function, types.FunctionType):
            shown = getattr(value, f"__{part}__")
            yield Overridable(function, f"torch.Tensor.{name}.__{part}__", shown=shown)


def _is_public(place: str, name: str, value: types.FunctionType) -> bool:
    if name in _PLAIN or value.__module__ == "torchcompat.overrides":
        return False
    if not (value.__module__ or "").startswith("torchcompat"):
        return False
    return not name.startswith("_") or name in ("_assert", "_threshold")


_DUNDERS = frozenset(
    """__floordiv__ __and__ __or__ __xor__ __lshift__ __rshift__ __getitem__ __setitem__ __iadd__
    __isub__ __imul__ __itruediv__ __ifloordiv__ __ipow__ __imod__ __iand__ __ior__ __ixor__
    __ilshift__ __irshift__ __radd__ __rsub__ __rmul__ __rtruediv__ __rfloordiv__ __rmod__ __rpow__
    __rmatmul__ __rand__ __ror__ __rxor__ __rlshift__ __rrshift__ __neg__ __pos__ __abs__ __invert__
    __bool__ __int__ __float__ __complex__ __index__ __len__ __contains__ __reversed__ __format__
    __repr__ __deepcopy__ __reduce_ex__ __array__""".split()
)
_SIDED = (
    """add sub mul truediv floordiv mod pow matmul and or xor lshift rshift lt le gt ge eq ne"""
)
# Operators that torch shows as the method they are, beside those of `_OPERATORS`.
_SHOWN = {
    "__radd__": "add",
    "__rmul__": "mul",
    "__rand__": "bitwise_and",
    "__ror__": "bitwise_or",
    "__rxor__": "bitwise_xor",
    "__iadd__": "add_",
    "__isub__": "sub_",
    "__imul__": "mul_",
    "__itruediv__": "div_",
    "__ifloordiv__": "floor_divide_",
    "__imod__": "remainder_",
    "__ipow__": "pow_",
    "__neg__": "neg",
    "__abs__": "abs",
    "__pos__": "positive",
    "__eq__": "__eq__",
}


# What answers NotImplemented is asked of the other operand.
_BINARY = frozenset(f"__{side}{name}__" for side in ("", "r") for name in _SIDED.split())


def _is_method(name: str) -> bool:
    if name.startswith("__"):
        return name in _OPERATORS or name in _DUNDERS
    return not name.startswith("_") and name not in ("as_subclass", "new")


def _shown_as(name: str) -> str:
    return _SHOWN.get(name) or _OPERATORS.get(name, name)


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


def ignored() -> set[Callable]:
    """The public functions of `torch` that are not watched."""
    found = vars(sys.modules["torchcompat"])
    return {found[name] for name in _PLAIN if callable(found.get(name))}


def known(function: Callable) -> Overridable | None:
    """What is known of one of our public functions; None for any other."""
    functions()
    return _known.get(id(function))
