"""The list and dict in which nodes hold their arguments: a change would escape the graph's book-keeping."""

from __future__ import annotations

from typing import Any, NoReturn

from torchcompat.fx._compatibility import compatibility

__all__ = ["immutable_dict", "immutable_list"]

_HELP = """If you are attempting to modify the kwargs or args of a torch.fx.Node object,
instead create a new copy of it and assign the copy to the node:

    new_args = ...  # copy and mutate args
    node.args = new_args
"""
_LIST = (
    "__delitem__ __iadd__ __imul__ __setitem__ append clear extend insert pop remove reverse sort"
)
_DICT = "__delitem__ __ior__ __setitem__ clear pop popitem setdefault update"


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(f"{type(self).__name__!r} object does not support mutation. {_HELP}")


@compatibility(is_backward_compatible=True)
class immutable_list(list):
    """A list that cannot be changed, and can be hashed."""

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple:
        return type(self), (tuple(self),)


@compatibility(is_backward_compatible=True)
class immutable_dict(dict):
    """A dict that cannot be changed, and can be hashed."""

    def __hash__(self) -> int:
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple:
        return type(self), (dict(self),)


for _kind, _names in ((immutable_list, _LIST), (immutable_dict, _DICT)):
    for _name in _names.split():
        setattr(_kind, _name, _refuse)
