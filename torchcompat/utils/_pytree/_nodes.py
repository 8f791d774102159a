"""Which types are nodes of trees, and how each is taken apart and put together."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

PyTree = Any
Context = Any
DumpableContext = Any
FlattenFunc = Callable[[Any], tuple[list, Any]]
UnflattenFunc = Callable[[Iterable, Any], Any]


class SequenceKey(NamedTuple):
    """A place in a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, sequence: Any) -> Any:
        """What stands at the place."""
        return sequence[self.idx]


class MappingKey(NamedTuple):
    """A key of a mapping."""

    key: Hashable

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, mapping: Any) -> Any:
        """What stands under the key."""
        return mapping[self.key]


class GetAttrKey(NamedTuple):
    """An attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, obj: Any) -> Any:
        """The attribute's value."""
        return getattr(obj, self.name)


KeyEntry = Any
KeyPath = tuple[Any, ...]


def keystr(kp: KeyPath) -> str:
    """A path as text: `['a'][0].x`."""
    return "".join(map(str, kp))


def key_get(obj: Any, kp: KeyPath) -> Any:
    """What stands at a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


class NodeDef(NamedTuple):
    """How one type is taken apart and put together.

    Attributes:
        type: the type.
        flatten_fn: gives the children and the context.
        unflatten_fn: makes the value of children and context.
        flatten_with_keys_fn: gives `(key, child)` pairs and the context, or None.
        dump, load: the context as what JSON can hold and back, or None.
        title: the type's name in a serialized spec.
    """

    type: Any
    flatten_fn: FlattenFunc
    unflatten_fn: UnflattenFunc
    flatten_with_keys_fn: Callable | None = None
    dump: Callable | None = None
    load: Callable | None = None
    title: str | None = None


SUPPORTED_NODES: dict[Any, NodeDef] = {}
CONSTANTS: set[type] = set()


def register_pytree_node(
    cls: type,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable | None = None,
    from_dumpable_context: Callable | None = None,
    flatten_with_keys_fn: Callable | None = None,
) -> None:
    """Makes a type a node.

    Args:
        cls: the type; subclasses are not included.
        flatten_fn: gives the children and the context (anything that compares).
        unflatten_fn: makes the value of the children and the context.
        serialized_type_name: the type's name in `treespec_dumps`.
        to_dumpable_context, from_dumpable_context: the context as what JSON can hold, and back.
        flatten_with_keys_fn: gives `(key, child)` pairs and the context.

    Raises:
        ValueError: the type is a node already, or only one of the context's converters is given.
    """
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must "
            "be None or registered."
        )
    SUPPORTED_NODES[cls] = NodeDef(
        cls,
        flatten_fn,
        unflatten_fn,
        flatten_with_keys_fn,
        to_dumpable_context,
        from_dumpable_context,
        serialized_type_name,
    )


def _register_pytree_node(
    cls: type,
    flatten_fn: FlattenFunc,
    unflatten_fn: UnflattenFunc,
    to_str_fn: Any = None,
    maybe_from_str_fn: Any = None,
    **options: Any,
) -> None:
    """The older name of `register_pytree_node`."""
    register_pytree_node(cls, flatten_fn, unflatten_fn, **options)


def _private_register_pytree_node(
    cls: type, flatten_fn: FlattenFunc, unflatten_fn: UnflattenFunc, **options: Any
) -> None:
    """`register_pytree_node` that leaves a type alone which is a node already."""
    if cls not in SUPPORTED_NODES:
        register_pytree_node(cls, flatten_fn, unflatten_fn, **options)


def _deregister_pytree_node(cls: type) -> None:
    SUPPORTED_NODES.pop(cls, None)


def _register_namedtuple(cls: type, *, serialized_type_name: str) -> None:
    """Gives a named tuple, which is a node anyway, a name in `treespec_dumps`."""
    node = SUPPORTED_NODES[namedtuple]
    SUPPORTED_NODES[cls] = node._replace(type=cls, title=serialized_type_name)


def register_dataclass(
    cls: type,
    *,
    field_names: list[str] | None = None,
    drop_field_names: list[str] | None = None,
    serialized_type_name: str | None = None,
) -> None:
    """Makes a dataclass a node with its fields as children."""
    names = field_names or [f.name for f in dataclasses.fields(cls) if f.init]
    names = [n for n in names if n not in (drop_field_names or ())]

    def flatten(x: Any) -> tuple[list, Any]:
        here = [n for n in names if getattr(x, n) is not None]
        return [getattr(x, n) for n in here], (here, [n for n in names if n not in here])

    def unflatten(values: Iterable, context: Any) -> Any:
        return cls(**dict(zip(context[0], values)), **dict.fromkeys(context[1]))

    def with_keys(x: Any) -> tuple[list, Any]:
        values, context = flatten(x)
        return [(GetAttrKey(n), v) for n, v in zip(context[0], values)], context

    register_pytree_node(
        cls,
        flatten,
        unflatten,
        serialized_type_name=serialized_type_name,
        flatten_with_keys_fn=with_keys,
    )


def register_constant(cls: type) -> None:
    """Makes a type a node without children, compared as a whole."""
    CONSTANTS.add(cls)
    register_pytree_node(cls, lambda x: ([], x), lambda children, x: x)


def is_constant_class(cls: type) -> bool:
    """Whether `register_constant` was called with the type."""
    return isinstance(cls, type) and cls in CONSTANTS


def _is_constant_holder(spec: Any) -> bool:
    return is_constant_class(spec.type)


# -- what kind of type ---------------------------------------------------------------------------------


def is_namedtuple_class(cls: type) -> bool:
    """Whether a class is one of `collections.namedtuple`'s."""
    fields = getattr(cls, "_fields", None)
    return (
        isinstance(cls, type)
        and issubclass(cls, tuple)
        and isinstance(fields, tuple)
        and all(type(one) is str for one in fields)
        and callable(getattr(cls, "_make", None))
        and callable(getattr(cls, "_asdict", None))
    )


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether an object is a named tuple."""
    return is_namedtuple_class(type(obj))


def is_namedtuple(obj: Any) -> bool:
    """Whether an object or class is a named tuple('s)."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_structseq_class(cls: type) -> bool:
    """Whether a class is a struct sequence, such as `os.stat_result`."""
    return (
        isinstance(cls, type)
        and cls.__bases__ == (tuple,)
        and isinstance(getattr(cls, "n_fields", None), int)
        and isinstance(getattr(cls, "n_sequence_fields", None), int)
    )


def is_structseq_instance(obj: Any) -> bool:
    """Whether an object is a struct sequence."""
    return is_structseq_class(type(obj))


def is_structseq(obj: Any) -> bool:
    """Whether an object or class is a struct sequence('s)."""
    return is_structseq_class(obj if isinstance(obj, type) else type(obj))


def _get_node_type(tree: Any) -> Any:
    kind = type(tree)
    if kind not in SUPPORTED_NODES and is_namedtuple_class(kind):
        return namedtuple
    return kind


# -- the built-in nodes --------------------------------------------------------------------------------


def _tuple_flatten(d: tuple) -> tuple[list, Any]:
    return list(d), None


def _tuple_unflatten(values: Iterable, context: Any) -> tuple:
    return tuple(values)


def _list_flatten(d: list) -> tuple[list, Any]:
    return d, None


def _list_unflatten(values: Iterable, context: Any) -> list:
    return list(values)


def _tuple_flatten_with_keys(d: Any) -> tuple[list, Any]:
    return [(SequenceKey(i), x) for i, x in enumerate(d)], None


_list_flatten_with_keys = _tuple_flatten_with_keys


def _dict_flatten(d: dict) -> tuple[list, Any]:
    return list(d.values()), list(d.keys())


def _dict_flatten_with_keys(d: dict) -> tuple[list, Any]:
    return [(MappingKey(k), v) for k, v in d.items()], list(d.keys())


def _dict_unflatten(values: Iterable, context: Any) -> dict:
    return dict(zip(context, values))


def _odict_unflatten(values: Iterable, context: Any) -> OrderedDict:
    return OrderedDict(zip(context, values))


def _defaultdict_flatten(d: defaultdict) -> tuple[list, Any]:
    return list(d.values()), [d.default_factory, list(d.keys())]


def _defaultdict_unflatten(values: Iterable, context: Any) -> defaultdict:
    return defaultdict(context[0], zip(context[1], values))


def _defaultdict_flatten_with_keys(d: defaultdict) -> tuple[list, Any]:
    return _dict_flatten_with_keys(d)[0], [d.default_factory, list(d.keys())]


def _deque_flatten(d: deque) -> tuple[list, Any]:
    return list(d), d.maxlen


def _deque_unflatten(values: Iterable, context: Any) -> deque:
    return deque(values, maxlen=context)


def _deque_flatten_with_keys(d: deque) -> tuple[list, Any]:
    return _tuple_flatten_with_keys(d)[0], d.maxlen


def _namedtuple_flatten(d: Any) -> tuple[list, Any]:
    return list(d), type(d)


def _namedtuple_unflatten(values: Iterable, context: Any) -> Any:
    return context(*values)


def _namedtuple_flatten_with_keys(d: Any) -> tuple[list, Any]:
    return [(GetAttrKey(name), x) for name, x in zip(d._fields, d)], type(d)


_BUILT_IN = [
    (tuple, _tuple_flatten, _tuple_unflatten, _tuple_flatten_with_keys, "builtins.tuple"),
    (list, _list_flatten, _list_unflatten, _list_flatten_with_keys, "builtins.list"),
    (dict, _dict_flatten, _dict_unflatten, _dict_flatten_with_keys, "builtins.dict"),
    (
        namedtuple,
        _namedtuple_flatten,
        _namedtuple_unflatten,
        _namedtuple_flatten_with_keys,
        "collections.namedtuple",
    ),
    (
        OrderedDict,
        _dict_flatten,
        _odict_unflatten,
        _dict_flatten_with_keys,
        "collections.OrderedDict",
    ),
    (
        defaultdict,
        _defaultdict_flatten,
        _defaultdict_unflatten,
        _defaultdict_flatten_with_keys,
        "collections.defaultdict",
    ),
    (deque, _deque_flatten, _deque_unflatten, _deque_flatten_with_keys, "collections.deque"),
]
for _kind, _flat, _unflat, _keyed, _title in _BUILT_IN:
    SUPPORTED_NODES[_kind] = NodeDef(_kind, _flat, _unflat, _keyed, title=_title)
STANDARD_DICT_TYPES = frozenset({dict, OrderedDict, defaultdict})
BUILTIN_TYPES = frozenset(kind for kind, *_ in _BUILT_IN)
