"""Reading, replacing and deleting the tensors and submodules of a module by dotted name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.nn.modules.module import Module

_MISSING = object()


def _check_owner(module: Any) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"{module} is not an instance of torch.nn.Module")


def _check_tensor(tensor: Any) -> None:
    if not isinstance(tensor, Tensor) and tensor is not None and tensor is not _MISSING:
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")


def _check_name(kind: str, name: str) -> None:
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')


def _home(module: Module, name: str) -> dict | None:
    """The dictionary in which `module` holds its parameter or buffer `name`."""
    for home in (module._parameters, module._buffers):
        if name in home:
            return home
    return None


def set_tensor(module: Module, name: str, tensor: Tensor | None) -> None:
    """Puts `tensor` in the place of the parameter, buffer or attribute `name` of `module`."""
    _check_owner(module)
    _check_tensor(tensor)
    _check_name("tensor", name)
    home = _home(module, name)
    if home is None:
        setattr(module, name, tensor)
    else:
        home[name] = tensor


def swap_tensor(module: Module, name: str, tensor: Any, allow_missing: bool = False) -> Any:
    """Puts `tensor` in the place of the member `name` of `module` and returns what was there.

    Args:
        allow_missing: the member need not exist; then, and for a later swap back, a marker stands
            for "no member".
    """
    _check_owner(module)
    _check_tensor(tensor)
    _check_name("tensor", name)
    home = _home(module, name)
    original = getattr(module, name, _MISSING) if home is None else home[name]
    if home is None:
        if original is _MISSING and not allow_missing:
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if not isinstance(original, Tensor) and original is not None and original is not _MISSING:
            raise TypeError(f"attribute `{name}`: {original} is not an instance of torch.Tensor")
    if tensor is not _MISSING:
        set_tensor(module, name, tensor)
    elif original is not _MISSING:
        delattr(module, name)
    return original


def swap_submodule(module: Module, name: str, submodule: Module) -> Module:
    """Puts `submodule` in the place of the child `name` of `module` and returns that child."""
    _check_owner(module)
    _check_owner(submodule)
    _check_name("submodule", name)
    if name not in module._modules:
        raise KeyError(f"submodule {name} does not exist")
    original = module._modules[name]
    if not isinstance(original, Module):
        raise TypeError(f"{name} attribute is not an instance of torch.nn.Module")
    module._modules[name] = submodule
    return original


class NamedMemberAccessor:
    """Access by dotted name to the members of a module tree.

    Submodules are looked up once and remembered: make a new accessor after the tree has changed.
    """

    def __init__(self, module: Module) -> None:
        self.module = module
        self.memo: dict[str, Module] = {}

    def get_submodule(self, name: str) -> Module:
        """The submodule at this path.

        Raises:
            AttributeError: there is none.
            TypeError: what is there is no module.
        """
        if not name:
            return self.module
        if name not in self.memo:
            self.memo[name] = self._find_submodule(name)
        return self.memo[name]

    def _find_submodule(self, name: str) -> Module:
        prefix, _, attribute = name.rpartition(".")
        parent = self.get_submodule(prefix)
        try:
            found = getattr(parent, attribute)
        except AttributeError as error:
            title = parent._get_name()
            raise AttributeError(f"{title} has no attribute `{attribute}`") from error
        if not isinstance(found, Module):
            raise TypeError(f"submodule `{name}`: {found} is not an instance of torch.nn.Module")
        return found

    def _place(self, path: str) -> tuple[Module, str]:
        prefix, _, name = path.rpartition(".")
        return self.get_submodule(prefix), name

    def swap_submodule(self, path: str, value: Module) -> Module:
        """Puts `value` in the place of the submodule at `path` and returns that one."""
        return swap_submodule(*self._place(path), value)

    def get_tensor(self, name: str) -> Tensor:
        """The tensor at this path.

        Raises:
            AttributeError: there is nothing.
            TypeError: what is there is no tensor.
        """
        owner, attribute = self._place(name)
        try:
            found = getattr(owner, attribute)
        except AttributeError as error:
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`") from error
        _check_tensor(found)
        return found

    def set_tensor(self, name: str, value: Tensor) -> None:
        """Puts `value` in the place of the tensor at this path."""
        set_tensor(*self._place(name), value)

    def del_tensor(self, name: str) -> None:
        """Deletes the tensor at this path."""
        owner, attribute = self._place(name)
        try:
            delattr(owner, attribute)
        except AttributeError as error:
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`") from error

    def swap_tensor(self, name: str, value: Any, allow_missing: bool = False) -> Any:
        """Puts `value` in the place of the tensor at this path and returns that one."""
        return swap_tensor(*self._place(name), value, allow_missing=allow_missing)

    # -- several at once -----------------------------------------------------------------------

    def get_tensors(self, names: Iterable[str]) -> list[Tensor]:
        """The tensors at these paths."""
        return [self.get_tensor(name) for name in names]

    def set_tensors(self, names: Iterable[str], values: Iterable[Tensor]) -> None:
        """Puts each value in the place of the tensor at its path."""
        for name, value in _paired(names, values):
            self.set_tensor(name, value)

    def set_tensors_dict(self, named_tensors: dict[str, Tensor]) -> None:
        """Puts each value in the place of the tensor at the path that is its key."""
        for name, value in named_tensors.items():
            self.set_tensor(name, value)

    def del_tensors(self, names: Iterable[str]) -> None:
        """Deletes the tensors at these paths."""
        for name in names:
            self.del_tensor(name)

    def swap_tensors(
        self, names: Iterable[str], values: Iterable[Any], allow_missing: bool = False
    ) -> list[Any]:
        """Swaps each value with the tensor at its path; returns what was there."""
        pairs = _paired(names, values)
        return [self.swap_tensor(name, value, allow_missing) for name, value in pairs]

    def swap_tensors_dict(
        self, named_tensors: dict[str, Any], allow_missing: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """Swaps each value with the tensor at the path that is its key.

        Returns:
            What was there, by path, and the paths where nothing was.

        Raises:
            RuntimeError: nothing was at some path, and `allow_missing` is not set; nothing is
                changed then, nor by any other error.
        """
        originals: dict[str, Any] = {}
        try:
            for name, value in named_tensors.items():
                originals[name] = self.swap_tensor(name, value, allow_missing=True)
            missing = [name for name, original in originals.items() if original is _MISSING]
            if missing and not allow_missing:
                raise RuntimeError(f"Missing key(s): {', '.join(map(repr, missing))}.")
        except Exception:
            for name, original in originals.items():
                self.swap_tensor(name, original, allow_missing=True)
            raise
        return originals, missing

    def check_keys(self, keys: Iterable[str]) -> tuple[list[str], list[str]]:
        """Of the names of all tensors, those not among `keys`; and the keys that name none."""
        given = set(keys)
        known = {name for name, _ in self.named_tensors(remove_duplicate=False)}
        return sorted(known - given), sorted(given - known)

    # -- iteration -----------------------------------------------------------------------------

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Yields `(path, parameter)`."""
        yield from self.module.named_parameters(remove_duplicate=remove_duplicate)

    def named_buffers(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Yields `(path, buffer)`."""
        yield from self.module.named_buffers(remove_duplicate=remove_duplicate)

    def named_tensors(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Yields `(path, tensor)`: the parameters, then the buffers."""
        yield from self.named_parameters(remove_duplicate)
        yield from self.named_buffers(remove_duplicate)

    def named_modules(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yields `(path, module)`, this accessor's module first."""
        yield from self.module.named_modules(remove_duplicate=remove_duplicate)


def _paired(names: Iterable[str], values: Iterable[Any]) -> list[tuple[str, Any]]:
    names, values = list(names), list(values)
    if len(names) != len(values):
        raise AssertionError(
            f"names and values must have the same length, got {len(names)} names and "
            f"{len(values)} values"
        )
    return list(zip(names, values))
