"""What parametrizations may return; each check raises torch's error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torchcompat._tensor import Tensor

_SEQUENCE = "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...)."
_MAY_NOT = (
    "Registering a parametrization may not change the {} of the tensor, unless {}`unsafe` flag"
)


def check_inverse(original: Tensor, new: Any) -> None:
    """`new` is what `right_inverse` made of `original`, upon registration."""
    if isinstance(new, Tensor):
        for what in ("dtype", "device"):
            before, after = getattr(original, what), getattr(new, what)
            if before != after:
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {before}\n"
                    f"right_inverse(original).{what}: {after}"
                )
        return
    if not isinstance(new, Sequence):
        raise ValueError(f"{_SEQUENCE} Got {type(new).__name__}")
    for i, part in enumerate(new):
        if not isinstance(part, Tensor):
            raise ValueError(
                f"{_SEQUENCE} Got element {i} of the sequence with type {type(part).__name__}."
            )


def check_result(original: Tensor, result: Any) -> None:
    """`result` is the parametrized tensor that is to take the place of `original`."""
    _check_tensor(result)
    for what in ("dtype", "shape"):
        before, after = getattr(original, what), getattr(result, what)
        if before != after:
            raise ValueError(
                f"{_MAY_NOT.format(what, '')} is enabled.\n"
                f"unparametrized {what}: {before}\n"
                f"parametrized {what}: {after}"
            )


def check_appended(name: str, before: Tensor, parametrization: Any) -> None:
    """`parametrization` is to be applied after others, whose result is `before`."""
    after = parametrization(before)
    _check_tensor(after)
    for what in ("dtype", "shape"):
        was, now = getattr(before, what), getattr(after, what)
        if was != now:
            raise ValueError(
                f"{_MAY_NOT.format(what, 'the ')} is enabled.\n"
                f"module.{name}.{what}: {was}\n"
                f"parametrization(module.{name}).{what}: {now}"
            )
    if hasattr(parametrization, "right_inverse"):
        _check_appended_inverse(name, before, after, parametrization)


def _check_appended_inverse(name: str, before: Tensor, after: Tensor, parametrization: Any) -> None:
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
        )
    for what in ("dtype", "shape"):
        was, now = getattr(before, what), getattr(back, what)
        if was != now:
            raise ValueError(
                "The tensor returned by parametrization.right_inverse must have the same "
                f"{what} as module.{name}, unless the `unsafe` flag is enabled.\n"
                f"module.{name}.{what}: {was}\n"
                f"returned {what}: {now}"
            )


def _check_tensor(result: Any) -> None:
    if not isinstance(result, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(result).__name__}.")


def check_assigned(originals: Sequence[Tensor], new: Any, single: bool) -> None:
    """`new` is what `right_inverse` made of a value assigned to the parametrized tensor."""
    if single:
        if not isinstance(new, Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
        _check_kind(originals[0], new, "The tensor", "original")
        return
    count = len(originals)
    if not isinstance(new, Sequence):
        raise ValueError(
            f"'right_inverse' must return a sequence of tensors. Got {type(new).__name__}."
        )
    if len(new) != count:
        raise ValueError(
            f"'right_inverse' must return a sequence of tensors of length {count}. "
            f"Got a sequence of length {len(new)}."
        )
    for i, (original, part) in enumerate(zip(originals, new)):
        if not isinstance(part, Tensor):
            raise ValueError(
                "'right_inverse' must return a sequence of tensors or reference-type opaques. "
                f"Got element {i} of type {type(part).__name__}."
            )
        _check_kind(original, part, f"Tensor {i}", f"original{i}")


def _check_kind(original: Tensor, new: Tensor, title: str, name: str) -> None:
    if original.dtype != new.dtype:
        raise ValueError(
            f"{title} returned by `right_inverse` has dtype {new.dtype} "
            f"while `{name}` has dtype {original.dtype}"
        )
