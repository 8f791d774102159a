"""`BlockMask`: which blocks of queries look at which blocks of keys."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp

from torchcompat._tensor import Tensor, as_array
from torchcompat._tensor._dispatch import to_tensor

_PUBLIC = "torchcompat.nn.attention.flex_attention"


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The mask function that lets every query look at every key."""
    return batch.new_ones((), dtype=Tensor.bool(batch).dtype)


def _sliced_mask_mod_error(batch: Any, head: Any, token_q: Any, token_kv: Any) -> Any:
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask. When you slice a BlockMask using [], the "
        "mask_mod attribute is reset. You must set it from the original BlockMask's mask_mod."
        "\n\nIncorrect usage:\n"
        "  base_mask = create_block_mask(my_mask_fn, ...)\n"
        "  sliced_mask = base_mask[:, :, block_idx]\n"
        "  sliced_mask.mask_mod = apply_offset(sliced_mask.mask_mod, offset)  # WRONG!"
        "\n\nCorrect usage:\n"
        "  base_mask = create_block_mask(my_mask_fn, ...)\n"
        "  sliced_mask = base_mask[:, :, block_idx]\n"
        "  sliced_mask.mask_mod = apply_offset(base_mask.mask_mod, offset)  # Use base_mask!"
    )


def ordered(dense: jax.Array) -> tuple[Tensor, Tensor]:
    """Of each row: how many blocks it has, and the blocks' numbers, those it has first."""
    count = dense.sum(-1).astype(np.int32)
    order = jnp.argsort(-dense.astype(np.int32), axis=-1, stable=True).astype(np.int32)
    return to_tensor(count), to_tensor(order)


def _dense(count: Any, indices: Any) -> jax.Array:
    """The way back: 1 where a row has a block."""
    count, indices = as_array(count), as_array(indices)
    columns = indices.shape[-1]
    present = (jnp.arange(columns) < count[..., None]).astype(np.int32)
    return (jax.nn.one_hot(indices, columns, dtype=np.int32) * present[..., None]).sum(-2)


_TENSORS = tuple(
    f"{full}{side}_{end}"
    for side in ("kv", "q")
    for full in ("", "full_")
    for end in ("num_blocks", "indices")
)


class BlockMask:
    """A sparse mask: for each block of queries, the blocks of keys that it looks at.

    A partial block is masked further by `mask_mod`; a full one is not. Made by `create_block_mask`,
    or by `from_kv_blocks`.

    Attributes:
        kv_num_blocks, kv_indices: of each row of blocks, the number of partial blocks, and which.
        full_kv_num_blocks, full_kv_indices: the same for full blocks, or None.
        q_num_blocks, q_indices, full_q_num_blocks, full_q_indices: the same by columns, or None.
        BLOCK_SIZE: numbers of queries and of keys in a block.
        mask_mod: `(batch, head, query, key) -> bool`.
        seq_lengths: numbers of queries and of keys.
    """

    __module__ = _PUBLIC

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        q_num_blocks: Tensor | None,
        q_indices: Tensor | None,
        full_q_num_blocks: Tensor | None,
        full_q_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int] = (128, 128),
        mask_mod: Callable = noop_mask,
        *,
        dq_write_order: Tensor | None = None,
        dq_write_order_full: Tensor | None = None,
        dq_kv_order: Tensor | None = None,
        dq_kv_order_spt: bool | None = None,
    ) -> None:
        _refuse_orders(
            dq_write_order=dq_write_order,
            dq_write_order_full=dq_write_order_full,
            dq_kv_order=dq_kv_order,
            dq_kv_order_spt=dq_kv_order_spt,
        )
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        _check_pair("kv", full_kv_num_blocks, full_kv_indices)
        _check_pair("q", full_q_num_blocks, full_q_indices)
        self.seq_lengths = seq_lengths
        self.kv_num_blocks, self.kv_indices = kv_num_blocks, kv_indices
        self.full_kv_num_blocks, self.full_kv_indices = full_kv_num_blocks, full_kv_indices
        self.q_num_blocks, self.q_indices = q_num_blocks, q_indices
        self.full_q_num_blocks, self.full_q_indices = full_q_num_blocks, full_q_indices
        self.BLOCK_SIZE = BLOCK_SIZE
        self.mask_mod = mask_mod

    dq_write_order = dq_write_order_full = dq_kv_order = dq_kv_order_spt = None

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = 128,
        mask_mod: Callable | None = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
        *,
        dq_write_order: Tensor | None = None,
        dq_write_order_full: Tensor | None = None,
        dq_kv_order: Tensor | bool | None = None,
    ) -> BlockMask:
        """A mask from the blocks of keys of each block of queries.

        Args:
            compute_q_blocks: also list the blocks by columns.
            seq_lengths: Default: all blocks are whole.

        Raises:
            NotImplementedError: an order for the writes of gradients is given: CUDA kernels have one.
        """
        _refuse_orders(
            dq_write_order=dq_write_order,
            dq_write_order_full=dq_write_order_full,
            dq_kv_order=dq_kv_order if isinstance(dq_kv_order, Tensor) else None,
        )
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        _check_pair("kv", full_kv_num_blocks, full_kv_indices)
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        if seq_lengths is None:
            rows, columns = kv_indices.shape[-2:]
            seq_lengths = rows * size[0], columns * size[1]
        by_columns: list[Tensor | None] = [None] * 4
        if compute_q_blocks:
            by_columns[:2] = ordered(_dense(kv_num_blocks, kv_indices).swapaxes(-1, -2))
            if full_kv_num_blocks is not None:
                full = _dense(full_kv_num_blocks, full_kv_indices)
                by_columns[2:] = ordered(full.swapaxes(-1, -2))
        by_rows = kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices
        return cls(seq_lengths, *by_rows, *by_columns, size, mask_mod or noop_mask)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(B, H, Q_LEN, KV_LEN)`."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def as_tuple(self, flatten: bool = True) -> tuple:
        """All that the mask is made of, in torch's order; the sizes as tuples unless `flatten`."""
        lengths, size = self.seq_lengths, self.BLOCK_SIZE
        orders = (None,) * 4
        if flatten:
            return (*lengths, *self._tensors(), *orders, *size, self.mask_mod)
        return (lengths, *self._tensors(), *orders, size, self.mask_mod)

    def _tensors(self) -> list[Tensor | None]:
        return [getattr(self, name) for name in _TENSORS]

    def numel(self) -> int:
        """The number of pairs of a query and a key."""
        return math.prod(self.shape)

    def to_dense(self) -> Tensor:
        """1 for each block that is looked at, partial or full; 0 for the others."""
        dense = _dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is not None:
            dense = dense + _dense(self.full_kv_num_blocks, self.full_kv_indices)
        return to_tensor(dense)

    def sparsity(self) -> float:
        """The share of the pairs, in per cent, that lie in blocks that are not looked at."""
        computed = int(np.asarray(self.to_dense()).sum()) * math.prod(self.BLOCK_SIZE)
        return 100 * (1 - computed / self.numel())

    def __getitem__(self, index: Any) -> BlockMask:
        index = index if isinstance(index, tuple) else (index,)
        kept = tuple(slice(i, i + 1 or None) if isinstance(i, int) else i for i in index)
        return self.from_kv_blocks(
            *(None if t is None else t[kept] for t in self._tensors()[:4]),
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=_sliced_mask_mod_error,
            seq_lengths=self.seq_lengths,
            compute_q_blocks=self.q_indices is not None,
        )

    def _adjust(self, new_q_len: int, new_kv_len: int) -> BlockMask:
        """The upper left corner of the mask, for these lengths."""
        rows, columns = (-(-n // s) for n, s in zip((new_q_len, new_kv_len), self.BLOCK_SIZE))
        lists: list[Tensor] = []
        for side in ("kv", "full_kv"):
            count, indices = (getattr(self, f"{side}_{end}") for end in ("num_blocks", "indices"))
            if count is not None:
                lists += ordered(_dense(count, indices)[..., :rows, :columns])
        return self.from_kv_blocks(
            *lists,
            BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=self.mask_mod,
            seq_lengths=(new_q_len, new_kv_len),
        )

    def to(self, device: Any) -> BlockMask:
        """The mask with its tensors on another device."""
        moved = [None if t is None else t.to(device) for t in self._tensors()]
        return type(self)(self.seq_lengths, *moved, self.BLOCK_SIZE, self.mask_mod)

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """A picture of the blocks of each batch and head; larger ones are drawn reduced.

        Args:
            grid_size: the most rows and columns; -1 for all.
            limit: the most pictures.
        """
        dense = np.asarray(self.to_dense())
        most = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        places = list(np.ndindex(dense.shape[:-2]))
        pictures = [f"{place}\n{_picture(dense[place], most)}\n" for place in places[:limit]]
        if len(places) > limit:
            pictures.append(
                "...\nTo print out more, set BlockMask.to_string(limit=N)\nYou can also index "
                "(BlockMask[batch, head]) to choose a specific batch or head\n"
            )
        return "\n".join(pictures)

    def __str__(self) -> str:
        title = f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n"
        return f"{title}{self.to_string().strip()}\n)"

    def __repr__(self) -> str:
        shapes: dict[str, Any] = {
            name: None if held is None else held.shape
            for name, held in zip(_TENSORS, self._tensors())
        }
        shapes |= {"BLOCK_SIZE": self.BLOCK_SIZE, "shape": self.shape}
        lines = [f"    {name}={value},\n" for name, value in shapes.items()]
        title = getattr(self.mask_mod, "__name__", self.mask_mod)
        lines += [f"    sparsity={self.sparsity():.2f}%,\n", f"    mask_mod={title}\n"]
        return f"BlockMask(\n{''.join(lines)})"


def _refuse_orders(**orders: Any) -> None:
    for name, value in orders.items():
        if value is not None:
            raise NotImplementedError(f"BlockMask: {name}={value!r}")


def _check_pair(side: str, count: Any, indices: Any) -> None:
    if (count is None) != (indices is None):
        raise AssertionError(
            f"full_{side}_num_blocks and full_{side}_indices must be both provided or omitted"
        )


def _picture(dense: np.ndarray, most: tuple[int, int]) -> str:
    steps = [1 if m == -1 else max(1, -(-n // m)) for n, m in zip(dense.shape, most)]
    lines = []
    for row in range(0, dense.shape[0], steps[0]):
        part = dense[row : row + steps[0]]
        shares = [part[:, c : c + steps[1]].mean() for c in range(0, dense.shape[1], steps[1])]
        lines.append("".join("██" if s == 1 else "  " if s == 0 else "░░" for s in shares))
    return "\n".join(lines)


def _flatten(mask: BlockMask) -> tuple[list, tuple]:
    return mask._tensors(), (mask.seq_lengths, mask.BLOCK_SIZE, mask.mask_mod)


def _unflatten(fixed: tuple, tensors: list) -> BlockMask:
    """Unchecked: JAX also puts things that are no arrays in the leaves' places."""
    mask = object.__new__(BlockMask)
    mask.seq_lengths, mask.BLOCK_SIZE, mask.mask_mod = fixed
    vars(mask).update(zip(_TENSORS, tensors))
    return mask


jax.tree_util.register_pytree_node(BlockMask, _flatten, _unflatten)
