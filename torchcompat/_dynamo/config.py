"""Settings of torch's compiler. They can be read and set; none has an effect on XLA."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

cache_size_limit = recompile_limit = 8
accumulated_cache_size_limit = accumulated_recompile_limit = 256
assume_static_by_default = True
automatic_dynamic_shapes = True
allow_ignore_mark_dynamic = False
allow_unspec_int_on_nn_module = False
capture_dynamic_output_shape_ops = False
capture_scalar_outputs = False
compiled_autograd = False
dynamic_shapes = True
error_on_recompile = False
fail_on_recompile_limit_hit = False
force_parameter_static_shapes = True
guard_nn_modules = True
inline_inbuilt_nn_modules = True
optimize_ddp = True
skip_fsdp_hooks = True
suppress_errors = False
verbose = False
numpy_default_float = "float64"


@contextlib.contextmanager
def patch(arg: Any = None, value: Any = None, **changes: Any) -> Iterator[None]:
    """Sets some of these inside a `with` block."""
    if isinstance(arg, str):
        changes = {arg: value}
    elif arg is not None:
        changes = dict(arg)
    former = {name: globals()[name] for name in changes if name in globals()}
    globals().update(changes)
    try:
        yield
    finally:
        globals().update(former)
