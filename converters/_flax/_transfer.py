"""Values between torchcompat modules and Flax models, by the names and layouts that `wrap` gives."""

from __future__ import annotations

from typing import Any

from converters._flax._module import FlaxModule
from converters._flax._wrap import wrap
from torchcompat import nn


def to_flax(
    module: Any, flax_module: Any = None, variables: Any = None, *inputs: Any, **kwargs: Any
) -> Any:
    """Fills a Flax model with the values of a torchcompat module or `state_dict`.

    Args:
        module: a module, a `state_dict` with torch's names, or what `wrap` gave.
        flax_module: the Flax model of the same architecture; it is changed in place. May be left
            out for what `wrap` gave, whose values a Flax model has already.
        variables, inputs, kwargs: of a Linen module, as `wrap` takes them.

    Returns:
        The NNX model; of a Linen model, its variables.

    Raises:
        RuntimeError: names or shapes differ; the text lists all of them.
        NotImplementedError: there is no Flax model to fill.
    """
    if flax_module is None:
        if isinstance(module, FlaxModule):
            return getattr(module, "variables", module.flax_module)
        raise NotImplementedError(
            f"to_flax({type(module).__name__}) without flax_module: pass the Flax model to fill"
        )
    values = module.state_dict() if isinstance(module, nn.Module) else module
    face = wrap(flax_module, variables, *inputs, **kwargs)
    face.load_state_dict(_with_counts(values, face))
    return getattr(face, "variables", flax_module)


def from_flax(
    flax_module: Any, variables: Any = None, *inputs: Any, into: Any = None, **kwargs: Any
) -> Any:
    """The values of a Flax model under torch's names and in torch's layouts.

    Args:
        flax_module: the Flax model.
        variables, inputs, kwargs: of a Linen module, as `wrap` takes them.
        into: a torchcompat module of the same architecture to load, strictly.

    Returns:
        `into`, or a `state_dict` of copies.
    """
    face = (
        flax_module
        if isinstance(flax_module, FlaxModule)
        else wrap(flax_module, variables, *inputs, **kwargs)
    )
    values = face.state_dict()
    if into is None:
        for name, tensor in values.items():
            values[name] = tensor.detach().clone()
        return values
    into.load_state_dict(_with_counts(values, into))
    return into


def _with_counts(values: Any, target: Any) -> Any:
    """Leaves out counts of batches that the target does not keep."""
    known = target.state_dict()
    return {k: v for k, v in values.items() if k in known or not k.endswith("num_batches_tracked")}
