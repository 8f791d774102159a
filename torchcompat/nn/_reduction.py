"""The `reduction` argument of losses and the two booleans that came before it."""

from __future__ import annotations

import warnings


def get_enum(reduction: str) -> int:
    """0 for "none", 1 for "mean", 2 for "sum".

    Raises:
        ValueError: `reduction` is none of them.
    """
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=4,
        )
        return 1
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return ("none", "mean", "sum").index(reduction)


def legacy_get_string(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> str:
    """The `reduction` that `size_average` and `reduce` meant, with torch's warning."""
    found = "mean" if size_average is None or size_average else "sum"
    if not (reduce is None or reduce):
        found = "none"
    if emit_warning:
        warnings.warn(
            "size_average and reduce args will be deprecated, "
            f"please use reduction='{found}' instead.",
            stacklevel=4,
        )
    return found


def legacy_get_enum(
    size_average: bool | None, reduce: bool | None, emit_warning: bool = True
) -> int:
    """`get_enum` of `legacy_get_string`."""
    return get_enum(legacy_get_string(size_average, reduce, emit_warning))


def settled(size_average: bool | None, reduce: bool | None, reduction: str, *more: str) -> str:
    """The reduction that the three arguments of a loss amount to; `more` are words it allows.

    Raises:
        ValueError: `reduction` is no word that the loss knows.
    """
    if size_average is not None or reduce is not None:
        return legacy_get_string(size_average, reduce)
    if reduction in more:
        return reduction
    return "mean" if get_enum(reduction) == 1 else reduction
