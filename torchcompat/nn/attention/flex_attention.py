"""Attention whose scores and mask are given by functions of single elements."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat._device import device as Device
from torchcompat._ops._registry import TRACED, Row
from torchcompat._tensor import Tensor, as_array, ops, wrap
from torchcompat._tensor._choosing import where
from torchcompat._tensor._dispatch import call, lifted, to_tensor
from torchcompat.nn.attention._block_mask import (
    BlockMask,
    _sliced_mask_mod_error,
    noop_mask,
    ordered,
)

__all__ = [
    "BlockMask",
    "flex_attention",
    "AuxOutput",
    "AuxRequest",
    "FlexKernelOptions",
    "create_block_mask",
    "create_mask",
    "or_masks",
    "and_masks",
    "noop_mask",
]

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What `flex_attention` is to return besides its output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What was asked for by an `AuxRequest`; None for the rest."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


class FlexKernelOptions(TypedDict, total=False):
    """Settings of torch's Triton kernels. Taken, and without effect here."""

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    BLOCK_M1: int
    BLOCK_N1: int
    BLOCK_M2: int
    BLOCK_N2: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    WRITE_DQ: bool
    FORCE_USE_FLEX_ATTENTION: bool
    USE_TMA: bool
    kpack: int
    matrix_instr_nonkdim: int
    waves_per_eu: int
    BACKEND: str


# -- functions of single elements, over whole tensors ----------------------------------------------


def _indices(shape: tuple[int, ...]) -> list[np.ndarray]:
    """The values of b, h, q and kv: int32, which survives a 32-bit `jax.jit` around a gradient."""
    return [np.arange(n, dtype=np.int32) for n in shape]


def _over_all(function: Callable, shape: tuple[int, ...], scores: jax.Array | None) -> jax.Array:
    """`function([score,] b, h, q, kv)`, written for 0-d tensors, of each element."""

    def one(*arrays: Any) -> Any:
        result = function(*map(wrap, arrays))
        if isinstance(result, Tensor) and result.requires_grad:
            raise NotImplementedError(
                "flex_attention: a score_mod that captures a tensor which requires grad; "
                "differentiate with jax.grad instead"
            )
        return as_array(result)

    mapped = one
    for place in reversed(range(4)):
        axes = tuple(0 if i == place else None for i in range(4))
        mapped = jax.vmap(mapped, in_axes=axes if scores is None else (0, *axes))
    with jax.enable_x64(True):
        places = [jnp.asarray(i) for i in _indices(shape)]
        return mapped(*places) if scores is None else mapped(scores, *places)


def _modified(score_mod: Callable, scores: Tensor) -> Tensor:
    """The scores after `score_mod`, as one recorded op."""
    row = Row(
        name="score_mod",
        fn=lambda scores: _over_all(score_mod, scores.shape, scores).astype(scores.dtype),
        names=("scores",),
        kinds=(TRACED,),
        grad_name="FlexAttentionBackward0",
    )
    return call(row, (scores,))


def _arity(function: Callable) -> int:
    parameters = inspect.signature(function).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(p.kind in positional and p.default is p.empty for p in parameters)
    if count not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    return count


def or_masks(*mask_mods: Callable) -> Callable:
    """The mask function that allows what any of these allows."""
    return _combined(mask_mods, False, lambda a, b: a | b)


def and_masks(*mask_mods: Callable) -> Callable:
    """The mask function that allows what all of these allow."""
    return _combined(mask_mods, True, lambda a, b: a & b)


def _combined(mask_mods: tuple, start: bool, join: Callable) -> Callable:
    if not all(map(callable, mask_mods)):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def combined(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_full((), start).bool()
        for mask_mod in mask_mods:
            result = join(result, mask_mod(b, h, q_idx, kv_idx))
        return result

    return combined


def create_mask(
    mod_fn: Callable,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
) -> Tensor:
    """The dense mask of a mask function, or what a score function makes of scores of 0.

    Shape:
        Output `(B, H, Q_LEN, KV_LEN)`, with 1 for B or H that are None.
    """
    shape = B or 1, H or 1, Q_LEN, KV_LEN
    if _arity(mod_fn) == 4:
        found = _over_all(mod_fn, shape, None)
    else:
        scores = _over_all(mod_fn, shape, jnp.zeros(shape, np.float32))
        found = scores > -jnp.inf
    result = to_tensor(found)
    return result if device is None else result.to(Device(device))


def create_block_mask(
    mask_mod: Callable,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = 128,
    _compile: bool = False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """The blocks that a mask function `(b, h, q, kv) -> bool` lets queries look at.

    Args:
        B, H: None where the mask is the same for all batches or heads.
        separate_full_blocks: list blocks that are allowed throughout apart.

    Raises:
        AssertionError: `mask_mod` does not take four arguments.
        NotImplementedError: `compute_dq_write_order` is set: it serves CUDA kernels only.
    """
    if _arity(mask_mod) != 4:
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    if not isinstance(dq_kv_order, bool):
        raise ValueError("dq_kv_order must be a bool when using create_block_mask")
    if compute_dq_write_order:
        raise NotImplementedError("create_block_mask: compute_dq_write_order=True")
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = as_array(create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device))
    counts = _counts(mask, size)
    full = counts == math.prod(size) if separate_full_blocks else jnp.zeros_like(counts, bool)
    return BlockMask.from_kv_blocks(
        *ordered((counts > 0) & ~full),
        *(ordered(full) if separate_full_blocks else (None, None)),
        BLOCK_SIZE=size,
        mask_mod=mask_mod,
        seq_lengths=(Q_LEN, KV_LEN),
    )


def _counts(mask: jax.Array, size: tuple[int, int]) -> jax.Array:
    """How many pairs are allowed in each block; a last one that is not whole never is full."""
    *outer, rows, columns = mask.shape
    pads = [(0, 0)] * len(outer) + [(0, -n % s) for n, s in zip((rows, columns), size)]
    padded = jnp.pad(mask, pads)
    tiles = [n // s for n, s in zip(padded.shape[-2:], size)]
    return padded.reshape(*outer, tiles[0], size[0], tiles[1], size[1]).sum((-3, -1))


# -- attention -------------------------------------------------------------------------------------


@lifted
def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: dict | None = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """`softmax(mask(score_mod(scale * query @ key^T))) @ value`.

    Gradients of query, key and value are found on all devices (torch has none on CPUs).

    Args:
        score_mod: `(score, b, h, q, kv) -> score` of 0-d tensors.
        block_mask: what may be looked at. A query that may look nowhere gets 0.
        scale: `1 / sqrt(E)` unless given.
        enable_gqa: key and value have fewer heads, each shared by several of the query's.
        return_lse: also return the logarithm of the sum of the exponentials of the scores.
        return_aux: what else to return, in an `AuxOutput`.
        kernel_options: has no effect.

    Shape:
        query `(B, Hq, L, E)`, key `(B, Hkv, S, E)`, value `(B, Hkv, S, Ev)`; output
        `(B, Hq, L, Ev)`, lse `(B, Hq, L)`.

    Raises:
        NotImplementedError: the inputs are not 4D.
        ValueError: sizes do not agree.
    """
    _check_inputs(query, key, value, enable_gqa)
    _check_batches(query, key, block_mask)
    if block_mask is not None:
        _check_block_mask(block_mask, query, key)
    if return_lse and return_aux is not None:
        raise ValueError(
            "Cannot specify both return_lse and return_aux. return_lse is deprecated, please use "
            "return_aux=AuxRequest(lse=True) instead."
        )
    scores = _scores(query, key, score_mod, block_mask, scale)
    lse = ops.logsumexp(scores, -1)
    output = _averaged(scores, lse, value)
    if return_lse:
        return output, lse
    if return_aux is None:
        return output
    largest = ops.amax(scores, -1) if return_aux.max_scores else None
    return output, AuxOutput(lse=lse if return_aux.lse else None, max_scores=largest)


def _scores(
    query: Tensor,
    key: Tensor,
    score_mod: Callable | None,
    block_mask: BlockMask | None,
    scale: float | None,
) -> Tensor:
    """What softmax is taken of; float32 where the inputs are of half precision."""
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    key = _shared(key, query.shape[1])
    scores = ops.attention_scores(query, key, factor)
    if score_mod is not None:
        scores = _modified(score_mod, scores)
    if block_mask is not None:
        scores = where(_allowed(block_mask, scores.shape), scores, float("-inf"))
    return scores


def _shared(x: Tensor, heads: int) -> Tensor:
    """Each head of `x` repeated for the query heads that share it."""
    groups = heads // x.shape[1]
    return x.repeat_interleave(groups, dim=1) if groups > 1 else x


def _averaged(scores: Tensor, lse: Tensor, value: Tensor) -> Tensor:
    # A row of -inf alone: its weights are 0, not NaN.
    nowhere = ops.eq(lse, float("-inf")).unsqueeze(-1)
    weights = where(nowhere, 0.0, ops.softmax(where(nowhere, 0.0, scores), -1))
    return ops.attention_output(weights, _shared(value, scores.shape[1]), False)


def _allowed(block_mask: BlockMask, shape: tuple[int, ...]) -> Tensor:
    """The pairs within the mask's blocks that its function, unless the block is full, allows."""
    pairs = create_mask(block_mask.mask_mod, *shape)
    blocks = as_array(block_mask.to_dense()) > 0
    for axis, length in zip((-2, -1), block_mask.seq_lengths):
        blocks = jnp.repeat(blocks, block_mask.BLOCK_SIZE[axis], axis=axis)
        blocks = jax.lax.slice_in_dim(blocks, 0, length, axis=blocks.ndim + axis)
    return pairs & to_tensor(blocks)


def _check_inputs(query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool) -> None:
    if any(t.ndim != 4 for t in (query, key, value)):
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension but got "
            f"E={query.shape[-1]} and E={key.shape[-1]}."
        )
    heads, shared = query.shape[-3], key.shape[-3]
    if not enable_gqa and heads != shared:
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got "
            f"Hq={heads} and Hkv={shared}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and heads % shared:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={heads} and Hkv={shared}."
        )


def _check_batches(query: Tensor, key: Tensor, block_mask: BlockMask | None) -> None:
    count, held = query.shape[0], key.shape[0]
    if count == held:
        return
    if block_mask is None:
        raise ValueError(
            "Expect query and key/value to have the same batch size, or non-none block_mask, but "
            f"got block_mask=None, Bq={count}, and Bkv={held}."
        )
    if block_mask.shape[0] != count:
        raise ValueError(
            "Expect query and key/value to have the same batch size, or block_mask and query to "
            f"have the same batch size, but got Bq={count}, Bkv={held}, "
            f"B_block_mask={block_mask.shape[0]}."
        )


def _check_block_mask(block_mask: BlockMask, query: Tensor, key: Tensor) -> None:
    if block_mask.mask_mod is _sliced_mask_mod_error:
        raise RuntimeError("Cannot use mask_mod from a sliced BlockMask")
    lengths = query.shape[-2], key.shape[-2]
    start = (
        f"block_mask was created for block_mask.shape={block_mask.shape} but got "
        f"q_len={lengths[0]} and kv_len={lengths[1]}. As the block mask was created for a "
    )
    if any(n > m for n, m in zip(lengths, block_mask.seq_lengths)):
        raise ValueError(
            f"{start}smaller length than you're using it for, you likely need to create a new "
            "block mask."
        )
    if any(n < m for n, m in zip(lengths, block_mask.seq_lengths)):
        raise ValueError(
            f"{start}larger length than you're using it for, you can either 1. create a new block "
            "mask with the correct length, or 2. 'adjust' the existing block mask to the correct "
            "length by calling block_mask._adjust(q_len, kv_len). This essentially 'crops' the "
            "block mask to the upper left corner, which does not work for all mask_mods!"
        )
