"""What may be put into `.grad`, and what is told to one who looks for it in the wrong place."""

from __future__ import annotations

import warnings
from typing import Any

from torchcompat import _dtype

_KINDS = {"Half": "c10::Half", "BFloat16": "c10::BFloat16"}


def check(owner: Any, grad: Any) -> None:
    """Raises torch's error where `grad` does not fit `owner`.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: it is the owner itself, or differs in dtype, device or size.
    """
    if not hasattr(grad, "_cell"):
        raise TypeError(
            f"assigned grad expected to be a Tensor or None but got grad of type {type(grad).__name__}"
        )
    if grad is owner:
        raise RuntimeError("can't assign Variable as its own grad")
    wanted = dtype_of(owner)
    if wanted is not None and grad.dtype is not wanted:
        name = _dtype.scalar_name(grad.dtype)
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{_KINDS.get(name, name.lower())}' to a tensor "
            f"with grad_dtype '{_dtype.scalar_name(wanted)}'. The gradient must match the tensor's "
            "grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute "
            "with a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging "
            "the dtypes of a tensor and its gradient may break downstream systems that assume they "
            "match."
        )
    if grad.device.type != owner.device.type:
        raise RuntimeError(
            f"attempting to assign a gradient with device type '{grad.device.type}' to a tensor with "
            f"device type '{owner.device.type}'. Please ensure that the gradient and the tensor are on "
            "the same device"
        )
    if grad.shape != owner.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(grad.shape)}' to a tensor of size "
            f"'{list(owner.shape)}'. Please ensure that the gradient and the tensor are the same size"
        )


def dtype_of(owner: Any) -> _dtype.dtype | None:
    """The type that gradients of a leaf are kept in; None keeps them as they come."""
    return owner.__dict__.get("_grad_dtype", owner.dtype)


def forget(tensor: Any, set_to_none: bool) -> None:
    """Drops a gradient, or (False) fills it with zeros."""
    if set_to_none:  # without a look: a compiled step need not be given what it drops
        tensor.grad = None
    elif tensor.grad is not None:
        if tensor.grad.grad_fn is not None:
            tensor.grad.detach_()
        else:
            tensor.grad.requires_grad_(False)
        tensor.grad.zero_()


def warn_of_non_leaf(tensor: Any) -> None:
    """torch's warning for `.grad` of a tensor that keeps none."""
    if tensor.__dict__.get("_retains_grad"):
        return
    warnings.warn(
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
        "attribute won't be populated during autograd.backward(). If you indeed want the .grad field to "
        "be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor. If you access "
        "the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See "
        "github.com/pytorch/pytorch/pull/30531 for more information.",
        stacklevel=3,
    )
