"""Values between torchcompat modules and Flax models, by the names and layouts that `wrap` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters._flax._module import FlaxModule
from converters._flax._skeleton import known, state_of, values_in
from converters._flax._wrap import wrap
from torchcompat import nn


def to_flax(
    module: Any,
    flax_module: Any = None,
    variables: Any = None,
    *inputs: Any,
    kind: str = "nnx",
    **kwargs: Any,
) -> Any:
    """The values of a torchcompat module in a Flax model, or as Flax pytrees of their own.

    Args:
        module: a module, a `state_dict` with torch's names, or what `wrap` gave.
        flax_module: the Flax model of the same architecture; it is changed in place. Without it the
            values are laid out as Flax's own layers hold them: lists, dicts and `Sequential` too;
            what Flax has no layer for keeps torch's names and layouts.
        variables, inputs, kwargs: of a Linen module, as `wrap` takes them.
        kind: without a Flax model, "nnx" for an `nnx.State`, "linen" for `params` and `batch_stats`.

    Returns:
        The NNX model, or, of a Linen model, its variables; without a model, the state.

    Raises:
        RuntimeError: names or shapes differ; the text lists all of them.

    Example:
        >>> state = to_flax(torchcompat.nn.Linear(2, 3))
        >>> state["kernel"].shape
        (2, 3)
    """
    if kind not in ("nnx", "linen"):
        raise ValueError(f"to_flax: kind must be 'nnx' or 'linen', not {kind!r}")
    if flax_module is None:
        if isinstance(module, FlaxModule):
            return getattr(module, "variables", module.flax_module)
        if not isinstance(module, nn.Module):
            raise TypeError(
                "to_flax: a state_dict alone does not tell its layers; pass flax_module"
            )
        return state_of(module, linen=kind == "linen")
    values = module.state_dict() if isinstance(module, nn.Module) else module
    face = wrap(flax_module, variables, *inputs, **kwargs)
    face.load_state_dict(known(values, face))
    return getattr(face, "variables", flax_module)


def from_flax(
    flax_module: Any, variables: Any = None, *inputs: Any, into: Any = None, **kwargs: Any
) -> Any:
    """The values of a Flax model under torch's names and in torch's layouts.

    Args:
        flax_module: the Flax model; or, with `into`, an `nnx.State` or Linen variables that are laid
            out as `to_flax(into)` does it.
        variables, inputs, kwargs: of a Linen module, as `wrap` takes them.
        into: a torchcompat module of the same architecture to load, strictly.

    Returns:
        `into`, or a `state_dict` of copies.

    Raises:
        KeyError: a state has no value for something in `into`.
        RuntimeError: names or shapes differ; the text lists all of them.
    """
    if isinstance(flax_module, Mapping):
        if into is None:
            raise TypeError("from_flax: of values without a Flax model, pass into")
        values = values_in(flax_module, into)
    else:
        face = flax_module
        if not isinstance(face, FlaxModule):
            face = wrap(flax_module, variables, *inputs, **kwargs)
        values = face.state_dict()
    if into is None:
        for name, tensor in values.items():
            values[name] = tensor.detach().clone()
        return values
    into.load_state_dict(known(values, into))
    return into
