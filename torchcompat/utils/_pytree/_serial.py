"""Structures as JSON, in torch's own form: `[1, {"type": ..., "context": ..., "children_spec": [...]}]`."""

from __future__ import annotations

import importlib
import json
from collections import defaultdict, namedtuple
from typing import Any

from torchcompat.utils._pytree._nodes import SUPPORTED_NODES
from torchcompat.utils._pytree._spec import LeafSpec, TreeSpec

_PROTOCOL = 1


def _title(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _found(title: str) -> Any:
    module, _, name = title.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _dump(spec: TreeSpec) -> dict[str, Any]:
    if spec.type is None:
        return {"type": None, "context": None, "children_spec": []}
    node = SUPPORTED_NODES[spec.type]
    if node.title is None:
        raise NotImplementedError(
            f"No registered serialization name for {spec.type} found. "
            "Please update your _register_pytree_node call with a `serialized_type_name` kwarg."
        )
    context = spec.context
    if node.dump is not None:
        dumped = json.dumps(node.dump(context))
    elif spec.type is namedtuple:
        dumped = json.dumps(_title(context))
    elif spec.type is defaultdict:
        factory = context[0]
        name = {
            "default_factory_module": factory.__module__,
            "default_factory_name": factory.__qualname__,
        }
        dumped = json.dumps({**name, "dict_context": context[1]})
    else:
        dumped = json.dumps(context)
    children = [_dump(one) for one in spec.children_specs]
    return {"type": node.title, "context": dumped, "children_spec": children}


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """The structure as JSON.

    Raises:
        TypeError: `treespec` is no structure.
        ValueError: the protocol is another than 1.
        NotImplementedError: a node's type has no serialized name.
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            f"treespec_dumps(treespec): Expected `treespec` to be instance of PyTreeSpec "
            f"but got item of type {type(treespec)}."
        )
    if protocol not in (None, _PROTOCOL):
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [{_PROTOCOL}]")
    return json.dumps((_PROTOCOL, _dump(treespec)))


def _load(form: dict[str, Any]) -> TreeSpec:
    if form["type"] is None and form["context"] is None:
        return LeafSpec()
    kind = next((k for k, n in SUPPORTED_NODES.items() if n.title == form["type"]), None)
    if kind is None:
        raise NotImplementedError(f"Deserialization of {form['type']} in pytree is not registered.")
    node, context = SUPPORTED_NODES[kind], json.loads(form["context"])
    if node.load is not None:
        context = node.load(context)
    elif kind is namedtuple:
        context = _found(context)
    elif kind is defaultdict:
        factory = f"{context['default_factory_module']}.{context['default_factory_name']}"
        context = [_found(factory), context["dict_context"]]
    return TreeSpec(kind, context, [_load(one) for one in form["children_spec"]])


def treespec_loads(serialized: str) -> TreeSpec:
    """The structure that `treespec_dumps` wrote.

    Raises:
        ValueError: it was written by another protocol.
    """
    protocol, form = json.loads(serialized)
    if protocol != _PROTOCOL:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [{_PROTOCOL}]")
    return _load(form)


def treespec_pprint(treespec: TreeSpec) -> str:
    """The tree with `*` for its leaves, as text."""
    return repr(treespec.unflatten([_Star()] * treespec.num_leaves))


class _Star:
    def __repr__(self) -> str:
        return "*"
