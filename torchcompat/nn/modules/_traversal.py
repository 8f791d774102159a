"""Walking a module tree, and reaching into it by dotted names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat.nn.modules._attributes import Attributes
from torchcompat.nn.parameter import Parameter


class Traversal(Attributes):
    """Iteration over members, in torch's order: own members first, then children depth first."""

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yields each parameter once; `recurse=False` stays within this module."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yields `(name, parameter)`.

        Args:
            prefix: put before each name.
            recurse: whether to enter submodules.
            remove_duplicate: whether a shared parameter appears under its first name only.
        """
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yields each buffer once; `recurse=False` stays within this module."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yields `(name, buffer)`. See `named_parameters` for the arguments."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def _named_members(
        self,
        get_members_fn: Callable,
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """Yields the `(name, member)` pairs that `get_members_fn(module)` lists, names in full."""
        seen: set = set()
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            modules = iter([(prefix, self)])
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or member in seen:
                    continue
                if remove_duplicate:
                    seen.add(member)
                yield f"{path}.{name}" if path else name, member

    def children(self) -> Iterator[Any]:
        """Yields each direct submodule once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Yields `(name, module)` for each direct submodule, a shared one under its first name."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Any]:
        """Yields this module and all submodules, depth first."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yields `(name, module)` for this module (under `prefix`) and all submodules, depth first.

        Args:
            memo: modules to leave out; those yielded are added.
            prefix: put before each name.
            remove_duplicate: whether a shared module appears under its first name only.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    # -- by dotted name ------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Any:
        """The submodule at the dotted path `target` ("" is this module itself).

        Raises:
            AttributeError: a part of the path is missing or not a module.
        """
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Attributes):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Any, strict: bool = False) -> None:
        """Puts `module` at the dotted path `target`, replacing what is there.

        Args:
            strict: whether the path must exist already.

        Raises:
            ValueError: the path is empty or `module` is not a module.
            AttributeError: a part of the path is missing or not a module.
        """
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Attributes):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Attributes):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path `target`.

        Raises:
            AttributeError: the path is missing or does not lead to a parameter.
        """
        _, name, value = self._resolve(target)
        if not isinstance(value, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return value

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the dotted path `target`.

        Raises:
            AttributeError: the path is missing or does not lead to a buffer.
        """
        module, name, value = self._resolve(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return value

    def _resolve(self, target: str) -> tuple[Any, str, Any]:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)
