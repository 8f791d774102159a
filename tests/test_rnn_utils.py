"""`nn.utils.rnn` against torch: packing, padding and what undoes them."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest
import torch as real
from jax import numpy as jnp

import torchcompat
from tests._both import attempt, both
from tests._parity import assert_close
from torchcompat.nn.utils import rnn as ours

LENGTHS = ([4, 3, 1], [3, 3, 3], [2, 2, 1], [4, 1, 1])


def count(torch, *size):
    total = 1
    for n in size:
        total *= n
    return torch.arange(float(total)).reshape(size)


def sequences(torch):
    return [count(torch, n, 2) for n in (4, 2, 3)]


@both
def test_pack_padded_sequence(torch):
    pack = torch.nn.utils.rnn.pack_padded_sequence
    x = count(torch, 4, 3, 2)
    for lengths in LENGTHS:
        yield attempt(pack, x, lengths)
        yield attempt(pack, x.transpose(0, 1), torch.tensor(lengths), batch_first=True)
    for lengths in ([3, 4, 1], [1, 3, 2], [2, 2, 4], torch.tensor([3, 4, 1])):
        yield attempt(pack, x, lengths, enforce_sorted=False)
        yield attempt(pack, x.transpose(0, 1), lengths, True, False)
    yield attempt(pack, x[:, :, 0], [4, 3, 1])
    yield attempt(pack, x[..., None].long(), torch.tensor([4, 3, 1], dtype=torch.int32))
    yield attempt(pack, x, [4.0, 3, 1]), attempt(pack, x, torch.tensor([4.0, 3.0, 1.0]))


@both
def test_pack_errors(torch):
    pack = torch.nn.utils.rnn.pack_padded_sequence
    x = count(torch, 4, 3, 2)
    for lengths in ([3, 4, 1], "abc", [4, 3, 0], [4, 3, -1], [4, 3], [4, 3, 2, 1]):
        yield attempt(pack, x, lengths)
    yield attempt(pack, x, torch.tensor([[4, 3, 1]]))
    yield attempt(pack, torch.zeros(0, 3, 2), torch.tensor([[4, 3, 1]]))
    yield attempt(pack, torch.zeros(4), torch.tensor([[4, 3, 1]]))
    yield attempt(pack, torch.zeros(4, 0, 2), [])
    yield attempt(pack, torch.zeros(0, 3, 2), [4, 3, 1])
    yield attempt(pack, torch.zeros(4), [1, 1, 1, 1])
    yield attempt(pack, [1, 2], [1])


def test_lengths_beyond_the_input_are_refused() -> None:
    """torch reads behind the input, or gives a sequence that fails later."""
    with pytest.raises(ValueError, match="Expected lengths of at most 4, but got 5"):
        ours.pack_padded_sequence(torchcompat.zeros(4, 2), [5, 1])


@both
def test_pad_packed_sequence(torch):
    rnn = torch.nn.utils.rnn
    x = count(torch, 4, 3, 2)
    for lengths, is_sorted in (([4, 3, 1], True), ([3, 4, 1], False), ([2, 1, 2], False)):
        packed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=is_sorted)
        for batch_first in (False, True):
            yield attempt(rnn.pad_packed_sequence, packed, batch_first)
            yield attempt(rnn.pad_packed_sequence, packed, batch_first, -1.5, 6)
        yield attempt(rnn.pad_packed_sequence, packed, total_length=1)
    whole = rnn.pack_padded_sequence(x.long(), [4, 3, 1])
    yield attempt(rnn.pad_packed_sequence, whole, padding_value=1.5)
    yield attempt(rnn.pad_packed_sequence, x)


@both
def test_pad_sequence(torch):
    pad = torch.nn.utils.rnn.pad_sequence
    a, b, c = sequences(torch)
    for batch_first in (False, True):
        for side in ("right", "left", "up"):
            yield attempt(pad, [a, b, c], batch_first, -1.0, side)
    yield attempt(pad, (a, b)), attempt(pad, (one for one in (a, b)))
    yield attempt(pad, count(torch, 2, 3, 2))
    yield attempt(pad, [a, b.double()]), attempt(pad, [a.long(), b + 0.5])
    yield attempt(pad, [torch.tensor([1, 2]), torch.tensor([3])], padding_value=7)
    yield attempt(pad, [a, count(torch, 2)])
    for bad in ("ab", 3, [], [[1, 2], [3]], [a, count(torch, 2, 3)], [a[0, 0], b], [a, None]):
        yield attempt(pad, bad)


@both
def test_unpad_pack_and_unpack(torch):
    rnn = torch.nn.utils.rnn
    lists = sequences(torch)
    lengths = torch.tensor([4, 2, 3])
    for batch_first in (False, True):
        padded = rnn.pad_sequence(lists, batch_first)
        yield rnn.unpad_sequence(padded, lengths, batch_first)
    yield attempt(rnn.pack_sequence, lists)
    packed = rnn.pack_sequence(lists, enforce_sorted=False)
    yield packed, rnn.unpack_sequence(packed)
    yield rnn.unpack_sequence(rnn.pack_sequence(lists[:2]))
    for order in (torch.tensor([2, 0, 1]), None):
        yield rnn.invert_permutation(order)


@both
def test_packed_sequence(torch):
    make = torch.nn.utils.rnn.PackedSequence
    data, sizes = count(torch, 6, 2), torch.tensor([3, 2, 1])
    order = torch.tensor([2, 0, 1])
    yield make(data, sizes), make((data, sizes)), make(data, sizes, order)
    yield make(data, sizes, None, order), make(data=data, batch_sizes=sizes, sorted_indices=order)
    yield attempt(make, data), attempt(make, data, sizes.to("meta"))
    packed = make(data, sizes, order)
    yield tuple(packed), packed._fields, isinstance(packed, tuple)
    for name in ("double", "float", "half", "long", "int", "short", "char", "byte", "cpu"):
        yield getattr(packed, name)()
    yield packed.float() is packed, packed.cpu() is packed, packed.to("cpu") is packed
    yield packed.to(torch.float64), packed.to(device="cpu", dtype=torch.float64).data.dtype
    yield packed.to("meta").sorted_indices.device.type
    yield attempt(packed.to, "cpu", copy=True), attempt(packed.cuda)
    yield packed.is_cuda, packed.is_pinned()
    yield copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))
    yield packed._replace(data=data[:, :1])


@pytest.mark.parametrize("batch_first", [False, True])
def test_gradients(batch_first: bool) -> None:
    """Packing and padding pass gradients on to the elements that are there."""

    def run(torch, x):
        rnn = torch.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, [2, 4, 1], batch_first, False)
        weights = torch.arange(7.0).reshape(7, 1)
        packed = rnn.PackedSequence(packed.data * weights, *packed[1:])
        padded, _ = rnn.pad_packed_sequence(packed, not batch_first)
        again = rnn.pad_sequence(rnn.unpack_sequence(packed), True, 3.0, "left")
        return (padded**2).sum() + (again**3).sum()

    size = (3, 4, 2) if batch_first else (4, 3, 2)
    x = real.linspace(-1, 1, 24).reshape(size).requires_grad_()
    (want,) = real.autograd.grad(run(real, x), x)

    def loss(x):
        # What is multiplied in between is a Tensor, and so is the result.
        return run(torchcompat, torchcompat._tensor.wrap(x))._read()

    assert_close(jax.grad(loss)(jnp.asarray(x.detach().numpy())), want)


def test_arrays_in_arrays_out() -> None:
    x = jnp.arange(24.0).reshape(4, 3, 2)
    packed = ours.pack_padded_sequence(x, [3, 4, 1], enforce_sorted=False)
    assert isinstance(packed.data, jax.Array) and isinstance(packed.sorted_indices, jax.Array)
    padded, lengths = ours.pad_packed_sequence(packed)
    assert isinstance(padded, jax.Array) and isinstance(lengths, jax.Array)
    np.testing.assert_array_equal(padded[:3, 0], x[:3, 0])
    rows = ours.unpack_sequence(packed)
    assert [len(row) for row in rows] == [3, 4, 1] and isinstance(rows[0], jax.Array)
    assert isinstance(ours.pad_sequence(rows), jax.Array)


def test_under_jit() -> None:
    """Lengths may be given as a list under tracing; traced, they are refused."""
    x = jnp.arange(24.0).reshape(4, 3, 2)

    @jax.jit
    def round_trip(x):
        packed = ours.pack_padded_sequence(x, [4, 2, 1])
        return ours.pad_packed_sequence(packed), ours.pad_sequence(ours.unpack_sequence(packed))

    (padded, lengths), again = round_trip(x)
    np.testing.assert_array_equal(padded, again)
    assert lengths.tolist() == [4, 2, 1]
    with pytest.raises(NotImplementedError, match="lengths is traced by JAX"):
        jax.jit(lambda lengths: ours.pack_padded_sequence(x, lengths).data)(jnp.array([4, 2, 1]))


def test_pytree() -> None:
    """The data and the order are leaves, the batch sizes are structure."""
    packed = ours.pack_padded_sequence(jnp.ones((4, 3, 2)), [4, 2, 1])
    leaves, structure = jax.tree.flatten(packed)
    assert [leaf.shape for leaf in leaves] == [(7, 2)]
    other = ours.pack_padded_sequence(jnp.ones((4, 3, 2)), [3, 3, 1])
    assert jax.tree.structure(other) != structure
    again = jax.tree.unflatten(structure, leaves)
    assert isinstance(again, ours.PackedSequence)
    assert np.asarray(again.batch_sizes).tolist() == [3, 2, 1, 1]
