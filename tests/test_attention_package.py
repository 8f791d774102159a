"""nn.attention: kernels, causal biases, block masks and flex_attention, under both libraries."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest
import torch
import torch.nn.attention.bias
import torch.nn.attention.flex_attention
import torch.nn.attention.varlen
from _both import attempt, both
from jax import numpy as jnp

import torchcompat
import torchcompat.nn.attention

flex = torchcompat.nn.attention.flex_attention
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without")


def causal(b, h, q, kv):
    return q >= kv


def inputs(torch, *, heads=2, lengths=(5, 5)):
    torch.manual_seed(0)
    return [torch.randn(1, heads, n, 4) for n in (lengths[0], lengths[1], lengths[1])]


@both
def test_kernels(torch):
    attention = torch.nn.attention
    kernels, current = attention.SDPBackend, attention._cur_sdpa_kernel_backends
    yield [(name, int(one)) for name, one in kernels.__members__.items()]
    yield [repr(one) for one in current()], repr(kernels.MATH), kernels.MATH.name
    with attention.sdpa_kernel(kernels.MATH):
        yield [one.name for one in current()]
    with attention.sdpa_kernel([kernels.MATH, kernels.FLASH_ATTENTION]):
        with attention.sdpa_kernel(kernels.EFFICIENT_ATTENTION, set_priority=True):
            yield [one.name for one in current()]
        yield [one.name for one in current()]
    yield [one.name for one in current()]

    def enter(backends):
        with attention.sdpa_kernel(backends):
            return

    for backends in (3, (kernels.MATH,), "MATH"):
        yield attempt(enter, backends)


@both
def test_causal_biases(torch):
    bias = torch.nn.attention.bias
    upper, lower = bias.causal_upper_left(2, 3), bias.causal_lower_right(2, 3)
    yield repr(upper), repr(lower), [int(one) for one in bias.CausalVariant]
    yield upper._materialize(), lower._materialize(), isinstance(upper, torch.Tensor)
    yield int(upper.variant), upper.seq_len_q, lower.seq_len_kv
    yield attempt(bias.causal_upper_left, 2), attempt(bias.causal_lower_right, 2, 3, 4)
    yield attempt(bias.CausalBias, 1, 2, 3), attempt(lambda: repr(bias.causal_lower_right(3, 2)))
    query, key, value = inputs(torch, lengths=(2, 3))
    for mask in (upper, lower):
        attend = torch.nn.functional.scaled_dot_product_attention
        yield attend(query, key, value, attn_mask=mask)


@both
def test_causal_biases_are_refused(torch):
    bias, attend = torch.nn.attention.bias, torch.nn.functional.scaled_dot_product_attention
    query, key, value = inputs(torch, lengths=(2, 3))
    for mask in (bias.causal_upper_left(2, 3), bias.causal_lower_right(2, 3)):
        yield attempt(attend, query, key, value, mask, is_causal=True)
        yield attempt(attend, query, key.double(), value, mask)
        yield attempt(attend, query[0, 0, 0], key, value, mask)
        yield attempt(attend, query, key, value, mask, dropout_p=2)
        yield attempt(attend, key, key, value, mask)


@both
def test_implementations(torch):
    attention = torch.nn.attention
    yield attention.list_flash_attention_impls(), attention.current_flash_attention_impl()
    yield attempt(attention.activate_flash_attention_impl, "other")
    removed = []

    class Handle:
        def remove(self):
            removed.append(1)

    attention.register_flash_attention_impl("mine", register_fn=Handle)
    attention.activate_flash_attention_impl("mine")
    yield attention.list_flash_attention_impls(), attention.current_flash_attention_impl()
    attention.restore_flash_attention_impl()
    yield removed, attention.current_flash_attention_impl()


@both
def test_block_masks(torch):
    made = torch.nn.attention.flex_attention.create_block_mask
    for args, size in (((1, 1, 256, 256), 128), ((2, None, 200, 300), 64)):
        mask = made(causal, *args, device="cpu", BLOCK_SIZE=size)
        yield mask.shape, mask.BLOCK_SIZE, mask.seq_lengths, mask.sparsity(), mask.numel()
        yield mask.kv_num_blocks, mask.kv_indices, mask.full_kv_num_blocks, mask.full_kv_indices
        yield mask.q_num_blocks, mask.q_indices, mask.full_q_num_blocks, mask.full_q_indices
        yield mask.to_dense(), repr(mask), str(mask), mask.to_string()
        for flat in (True, False):
            yield mask.as_tuple(flat)[:-1]
    yield mask[0].shape, mask[0].kv_num_blocks, mask[:, :, 0].kv_indices
    cropped = mask._adjust(100, 100)
    yield cropped.seq_lengths, cropped.kv_num_blocks, cropped.kv_indices
    yield attempt(made, lambda s: s, 1, 1, 4, 4, device="cpu")
    yield attempt(made, causal, 1, 1, 4, 4, device="cpu", dq_kv_order=3)


@both
def test_masks(torch):
    module = torch.nn.attention.flex_attention
    yield module.create_mask(causal, 1, 2, 3, 3, device="cpu")
    first = module.and_masks(causal, lambda b, h, q, kv: kv > 0)
    either = module.or_masks(first, lambda b, h, q, kv: q < kv)
    for mask in (first, either, module.noop_mask):
        yield module.create_mask(mask, 1, 1, 3, 4, device="cpu")
    yield attempt(module.or_masks, 3)


@both
def test_flex_attention(torch):
    module = torch.nn.attention.flex_attention
    query, key, value = inputs(torch)
    mask = module.create_block_mask(causal, None, None, 5, 5, device="cpu")
    nowhere = module.create_block_mask(lambda b, h, q, kv: kv > q, None, None, 5, 5, device="cpu")
    table = torch.arange(10.0).view(2, 5)
    for options in (
        {},
        {"scale": 0.5},
        {"block_mask": mask},
        {"block_mask": nowhere},
        {"score_mod": lambda s, b, h, q, kv: s + (q - kv) * 0.1},
        {"score_mod": lambda s, b, h, q, kv: s * table[h][q], "block_mask": mask},
    ):
        yield module.flex_attention(query, key, value, **options)
    request = module.AuxRequest(lse=True)
    output, extra = module.flex_attention(query, key, value, block_mask=mask, return_aux=request)
    yield output, extra.lse, extra.max_scores
    yield module.flex_attention(query, key[:, :1], value[:, :1], enable_gqa=True)


@both
def test_flex_attention_refuses(torch):
    module = torch.nn.attention.flex_attention
    query, key, value = inputs(torch)
    run, made = module.flex_attention, module.create_block_mask
    yield attempt(run, query[0], key, value), attempt(run, query[:, :1], key, value)
    yield attempt(run, query, key[..., :2], value)
    twice = torch.cat([query, query])
    yield attempt(run, twice, key, value)
    mask = made(causal, None, None, 5, 5, device="cpu")
    yield attempt(run, twice, key, value, block_mask=mask)
    for length in (4, 8):
        mask = made(causal, None, None, length, length, device="cpu")
        yield attempt(run, query, key, value, block_mask=mask)
    sliced = made(causal, None, None, 5, 5, device="cpu")[0:1]
    yield attempt(run, query, key, value, block_mask=sliced)
    request = module.AuxRequest(lse=True)
    yield attempt(run, query, key, value, return_lse=True, return_aux=request)


# -- torchcompat alone: torch has no gradients of flex_attention on CPUs ---------------------------


def test_gradients():
    query, key, value = (t.requires_grad_() for t in inputs(torchcompat))
    mask = flex.create_block_mask(causal, None, None, 5, 5)
    decay = lambda s, b, h, q, kv: s - 0.5 * (q - kv)  # noqa: E731
    flex.flex_attention(query, key, value, decay, mask).square().sum().backward()
    theirs = [torch.tensor(np.asarray(t.detach()), requires_grad=True) for t in (query, key, value)]
    places = torch.arange(5)
    bias = -0.5 * (places[:, None] - places) + torch.full((5, 5), -torch.inf).triu(1)
    attend = torch.nn.functional.scaled_dot_product_attention
    attend(*theirs, attn_mask=bias).square().sum().backward()
    for ours, expected in zip((query, key, value), theirs):
        np.testing.assert_allclose(ours.grad, expected.grad, rtol=1e-4, atol=1e-6)


def test_jax_and_compile():
    query, key, value = (t._read() for t in inputs(torchcompat))
    table = jnp.arange(5.0)

    def loss(table):
        weighted = torchcompat.as_tensor(table)
        return flex.flex_attention(query, key, value, lambda s, b, h, q, kv: s * weighted[kv]).sum()

    slope = jax.jit(jax.grad(loss))(table)
    step = 1e-2
    moved = (loss(table + step * jnp.eye(5)[1]) - loss(table - step * jnp.eye(5)[1])) / (2 * step)
    assert float(slope[1]) == pytest.approx(float(moved), rel=1e-2)
    run = torchcompat.compile(lambda q: flex.flex_attention(q, key, value))
    np.testing.assert_allclose(run(query), flex.flex_attention(query, key, value), rtol=1e-5)


def test_a_captured_parameter_is_refused():
    query, key, value = inputs(torchcompat)
    bias = torchcompat.nn.Parameter(torchcompat.ones(5))
    with pytest.raises(NotImplementedError, match="score_mod"):
        flex.flex_attention(query, key, value, lambda s, b, h, q, kv: s + bias[q])


def test_blocks_mask_by_themselves():
    """A mask made from blocks, with no function, masks what lies in no block."""
    ones = torchcompat.ones(1, 1, 1, dtype=torchcompat.int32)
    mask = flex.BlockMask.from_kv_blocks(
        ones, torchcompat.tensor([[[[0, 1]]]], dtype=torchcompat.int32), BLOCK_SIZE=2
    )
    query, key, value = inputs(torchcompat, lengths=(2, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = flex.flex_attention(query, key, value, block_mask=mask)
    expected = flex.flex_attention(query, key[:, :, :2], value[:, :, :2])
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_block_mask_is_a_pytree():
    mask = flex.create_block_mask(causal, None, None, 8, 8, BLOCK_SIZE=4)
    assert len(jax.tree.leaves(mask)) == 8
    query, key, value = (t._read() for t in inputs(torchcompat, lengths=(8, 8)))
    run = jax.jit(lambda mask, q: flex.flex_attention(q, key, value, block_mask=mask))
    expected = flex.flex_attention(query, key, value, block_mask=mask)
    np.testing.assert_allclose(run(mask, query), expected, rtol=1e-5)


def test_largest_scores_and_half_types():
    query, key, value = (t.bfloat16() for t in inputs(torchcompat))
    request = flex.AuxRequest(lse=True, max_scores=True)
    output, extra = flex.flex_attention(query, key, value, return_aux=request)
    scores = query.float() @ key.float().mT / 2
    np.testing.assert_allclose(extra.max_scores, scores.amax(-1), rtol=1e-5)
    assert output.dtype is torchcompat.bfloat16 and extra.lse.dtype is torchcompat.float32


# -- sequences of different lengths: torch has no kernel on CPUs, so each is attended to apart ------


def packed(heads=2, held=2):
    torch.manual_seed(0)
    queries = [torch.randn(heads, n, 4) for n in (2, 3, 0)]
    pairs = [[torch.randn(held, n, 4) for n in (4, 3, 2)] for _ in "kv"]
    return queries, *pairs


def together(parts):
    joined = torch.cat(parts, dim=1).transpose(0, 1).numpy()
    starts = np.cumsum([0, *(p.shape[1] for p in parts)]).astype(np.int32)
    return torchcompat.tensor(joined), torchcompat.tensor(starts)


def window_mask(rows, columns, window):
    ahead = torch.arange(columns) - columns - (torch.arange(rows) - rows)[:, None]
    mask = torch.ones(rows, columns, dtype=torch.bool)
    if window[0] >= 0:
        mask &= ahead >= -window[0]
    return mask & (ahead <= window[1]) if window[1] >= 0 else mask


@pytest.mark.parametrize("window", [(-1, -1), (-1, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("held", [2, 1])
def test_varlen(window, held):
    queries, keys, values = packed(held=held)
    (query, starts_q), (key, starts_k), (value, _) = map(together, (queries, keys, values))
    varlen = torchcompat.nn.attention.varlen
    options = {"window_size": window, "enable_gqa": held == 1, "scale": 0.3}
    options["return_aux"] = varlen.AuxRequest(lse=True)
    arguments = (key, value, starts_q, starts_k, 3, 4)
    query.requires_grad_()
    output, lse = varlen.varlen_attn(query, *arguments, **options)
    attend = torch.nn.functional.scaled_dot_product_attention
    expected, sums = [], []
    leaves = [q.clone().requires_grad_() for q in queries]
    for q, k, v in zip(leaves, keys, values):
        mask = window_mask(q.shape[1], k.shape[1], window)
        expected.append(attend(q, k, v, mask, scale=0.3, enable_gqa=held == 1))
        sums.append((q @ k.mT * 0.3).masked_fill(~mask, -torch.inf).logsumexp(-1))
    whole = torch.cat(expected, dim=1).transpose(0, 1)
    np.testing.assert_allclose(output.detach(), whole.detach(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(lse.detach(), torch.cat(sums, dim=1).detach(), rtol=1e-5)
    output.square().sum().backward()
    whole.square().sum().backward()
    slopes = torch.cat([q.grad for q in leaves], dim=1).transpose(0, 1)
    np.testing.assert_allclose(query.grad, slopes, rtol=1e-4, atol=1e-6)
    del options["return_aux"]
    held_out = torchcompat.zeros(5, 2, 4)
    assert varlen.varlen_attn_out(held_out, query.detach(), *arguments, **options) is held_out
    np.testing.assert_allclose(held_out, output.detach(), rtol=1e-6)


def test_varlen_pages():
    """The keys of two sequences, in pages of two tokens that lie in any order."""
    varlen = torchcompat.nn.attention.varlen
    queries, keys, values = packed()
    (query, starts_q), pool = together(queries[:2]), torch.zeros(2, 5, 2, 2, 4)
    for number, parts in enumerate((keys, values)):
        pool[number, 3], pool[number, 0] = parts[0].transpose(0, 1).split(2)
        pool[number, 4], pool[number, 1, :1] = parts[1].transpose(0, 1).split(2)
    table = torchcompat.tensor([[3, 0], [4, 1]], dtype=torchcompat.int32)
    used = torchcompat.tensor([4, 3], dtype=torchcompat.int32)
    key, value = (torchcompat.tensor(part.numpy()) for part in pool)
    found = varlen.varlen_attn(
        query, key, value, starts_q, None, 3, 4, seqused_k=used, block_table=table
    )
    attend = torch.nn.functional.scaled_dot_product_attention
    expected = torch.cat([attend(*one) for one in zip(queries[:2], keys, values)], dim=1)
    np.testing.assert_allclose(found, expected.transpose(0, 1), rtol=1e-5, atol=1e-6)


@both
def test_varlen_refuses(torch):
    varlen = torch.nn.attention.varlen
    query, key = torch.zeros(4, 4, 8, device="meta"), torch.zeros(4, 3, 8, device="meta")
    starts = torch.zeros(3, dtype=torch.int32, device="meta")
    rest = starts, starts, 4, 4
    yield attempt(varlen.varlen_attn, query, key, key, *rest)
    yield attempt(varlen.varlen_attn, query, key, key, *rest, enable_gqa=True)
    yield attempt(varlen.varlen_attn, query, query, query, *rest, window_size=(1,))
    yield varlen.varlen_attn(query, query, query, *rest)
    request = varlen.AuxRequest(lse=True)
    yield varlen.varlen_attn(query, query, query, *rest, return_aux=request)
