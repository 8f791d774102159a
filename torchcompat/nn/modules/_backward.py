"""Backward hooks of modules: two marked places in the graph, around the inputs and the outputs."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from torchcompat._tensor import Tensor
from torchcompat._tensor._creation import zeros_like
from torchcompat._tensor._graph import marked, run_hook


class BackwardHooks:
    """The full backward hooks and pre-hooks of one call of one module.

    The mark on the outputs runs first in the backward pass: pre-hooks see `grad_output`. The mark on the
    inputs runs when the module has been passed: hooks see `grad_input` and `grad_output`.
    """

    def __init__(self, module: Any, hooks: list[Callable], pre_hooks: list[Callable]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple | None = None
        self.inputs_marked = False
        self.input_count = -1

    def mark_inputs(self, args: tuple) -> tuple:
        """The arguments with a mark on the Tensors among them."""
        marked_args, where, node = _mark(args)
        self.input_count = len(args)
        if node is not None:
            self.inputs_marked = True
            shapes = [args[i].detach() for i in where]

            def hook(grads: tuple) -> tuple:
                return self._passed(grads, where, shapes)

            node.register_hook(hook)
        return marked_args

    def mark_outputs(self, result: Any) -> Any:
        """The module's result with a mark on the Tensors in it."""
        several = isinstance(result, tuple)
        if not several and not isinstance(result, Tensor):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=3,
            )
        values, where, node = _mark(result if several else (result,))
        if node is not None:

            def hook(grads: tuple) -> tuple:
                return self._entered(grads, where, len(values))

            node.register_prehook(hook)
        if not several:
            return values[0]
        return type(result)(*values) if hasattr(result, "_fields") else values

    def _entered(self, grads: tuple, where: list[int], count: int) -> tuple:
        self.grad_outputs = _spread(grads, where, count)
        for hook in self.pre_hooks:
            changed = run_hook(hook, self.module, self.grad_outputs)
            if changed is not None:
                what = "Backward pre hook returned an invalid number of grad_output"
                self.grad_outputs = _checked(changed, count, what)
        grads = tuple(_or_zeros(self.grad_outputs[i], g) for i, g in zip(where, grads))
        if not self.inputs_marked:
            self._no_input_needs_gradient()
        return grads

    def _no_input_needs_gradient(self) -> None:
        if self.hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module "
                "outputs since no inputs require gradients. See "
                "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.register_full_backward_hook for more details."
            )
        for hook in self.hooks:
            changed = run_hook(hook, self.module, (None,) * self.input_count, self.grad_outputs)
            if changed is not None and not (
                isinstance(changed, tuple) and all(one is None for one in changed)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_outputs = None

    def _passed(self, grads: tuple, where: list[int], inputs: list[Tensor]) -> tuple:
        if self.grad_outputs is None:  # the outputs took no part in this pass
            return grads
        full = [zeros_like(x) if g is None else g for x, g in zip(inputs, grads)]
        found = _spread(tuple(full), where, self.input_count)
        for hook in self.hooks:
            changed = run_hook(hook, self.module, found, self.grad_outputs)
            if changed is not None:
                what = "Backward hook returned an invalid number of grad_input"
                found = _checked(changed, len(found), what)
        self.grad_outputs = None
        return tuple(None if g is None else found[i] for i, g in zip(where, grads))


def add_older_hooks(module: Any, hooks: list[Callable], args: tuple, result: Any) -> None:
    """Hangs hooks of the older kind on the op that made the module's result."""
    whole = result
    while not isinstance(result, Tensor):
        if isinstance(result, dict):
            result = next(x for x in result.values() if isinstance(x, Tensor))
        elif isinstance(result, (tuple, list)) and result:
            result = result[0]
        else:
            return
    node = result.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(functools.wraps(hook)(functools.partial(run_hook, hook, module)))
    missing = _missing_to_older_hooks(args, whole, node)
    if missing is not None:
        warnings.warn(missing, FutureWarning, stacklevel=2)


def _missing_to_older_hooks(args: tuple, result: Any, node: Any) -> str | None:
    """torch's warning where a hook on `node` does not see all gradients of the module."""
    outputs = (result,) if isinstance(result, Tensor) else result
    if not _only_tensors(outputs):
        return _OLDER_ON_MODULE.format("return", "grad_output")
    if not _only_tensors(args):
        return _OLDER_ON_MODULE.format("take as input", "grad_input")
    made_by = {x.grad_fn for x in outputs} - {None}
    if node not in made_by:
        return _OLDER_WHEN.format("outputs are nested in python data structure", "grad_output.")
    if len(made_by) > 1:
        what = "outputs are generated by different autograd Nodes"
        return _OLDER_WHEN.format(what, "grad_output. " + _OTHER_KIND)
    if {x.grad_fn for x in args} - {None} != {before for before, _ in node.next_functions}:
        what = "the forward contains multiple autograd Nodes"
        return _OLDER_WHEN.format(what, "grad_input. " + _OTHER_KIND)
    return None


def _only_tensors(values: Any) -> bool:
    return isinstance(values, tuple) and all(isinstance(x, Tensor) for x in values)


_OTHER_KIND = "Please use register_full_backward_hook to get the documented behavior."
_OLDER_ON_MODULE = (
    "Using non-full backward hooks on a Module that does not {} a single Tensor or a tuple of "
    "Tensors is deprecated and will be removed in future versions. This hook will be missing some of "
    "the {}. " + _OTHER_KIND
)
_OLDER_WHEN = (
    "Using a non-full backward hook when {} is deprecated and will be removed in future versions. "
    "This hook will be missing some {}"
)


def _mark(values: tuple) -> tuple[tuple, list[int], Any]:
    """The values with their Tensors marked, where those stand, and the node of the mark."""
    where = [i for i, x in enumerate(values) if isinstance(x, Tensor)]
    aliases, node = marked([values[i] for i in where])
    if node is None:
        return values, where, None
    fresh = list(values)
    for i, tensor in zip(where, aliases):
        fresh[i] = tensor
    return tuple(fresh), where, node


def _spread(grads: tuple, where: list[int], count: int) -> tuple:
    """The gradients at their places among `count` values, None elsewhere."""
    found: list[Any] = [None] * count
    for i, gradient in zip(where, grads):
        found[i] = gradient
    return tuple(found)


def _or_zeros(changed: Tensor | None, before: Tensor | None) -> Tensor | None:
    """The gradient after the hooks: taking it away makes it zero."""
    return zeros_like(before) if changed is None and before is not None else changed


def _checked(changed: Any, count: int, what: str) -> tuple:
    if len(changed) != count:
        raise RuntimeError(f"{what}, got {len(changed)}, but expected {count}")
    return tuple(changed)
