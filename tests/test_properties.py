"""What tensors tell of themselves, storages, copies and pickles, as torch has them."""

from __future__ import annotations

import copy
import pickle

import jax
import numpy as np
import pytest
import torch
from _lines import check, lines
from jax import numpy as jnp

import torchcompat
from torchcompat._tensor import wrap

FACTS = """
x.size()
x.size(-1)
x.size(5)
x.stride(-1)
x.stride(5)
x.dim()
x.ndimension()
x.numel()
x.nelement()
x.element_size()
x.itemsize
x.nbytes
x.layout
x.is_sparse
x.is_quantized
x.is_signed()
torch.tensor([1], dtype=torch.uint8).is_signed()
x.is_complex()
x.is_floating_point()
x.is_cuda
x.is_meta
torch.empty(2, device="meta").is_meta
x.is_inference()
x.is_shared()
x.is_pinned()
x.is_nonzero()
torch.tensor(1).is_nonzero()
torch.is_tensor(1)
torch.is_tensor(x)
torch.is_floating_point(x)
torch.is_floating_point(1)
torch.is_complex(x)
torch.numel(x)
torch.numel(1)
x.is_same_size(x)
torch.is_same_size(x, x.t())
torch.tensor([[True]]).item()
torch.tensor(1j).item()
x.item()
bool(x)
bool(torch.empty(0))
bool(torch.tensor([[3]]))
int(torch.tensor(1.5))
float(x)
int(x)
complex(torch.tensor(1.5))
float(torch.tensor(1j))
torch.tensor(2).__index__()
torch.tensor(2.).__index__()
torch.tensor([1, 2]).__index__()
[1, 2, 3][torch.tensor(1)]
len(x)
len(torch.tensor(1))
list(iter(x))
iter(torch.tensor(1))
reversed(x)
1. in x
7. in x
x[0] in x
"a" in x
x.tolist()
torch.tensor(1.5).tolist()
torch.empty(0, 2).tolist()
torch.ones(2, dtype=torch.bfloat16).tolist()
x.numpy()
w.numpy()
(w * 1).numpy()
w.numpy(force=True)
torch.ones(2, dtype=torch.bfloat16).numpy()
torch.empty(2, device="meta").numpy()
torch.empty(2, device="meta").tolist()
bool(torch.empty(1, device="meta"))
torch.empty(2, device="meta").item()
np.sin(x)
np.add(x, 1)
np.asarray(x)
hash(x) == id(x)
x.apply_(lambda v: v + 1)
x.map_(x, lambda a, b: a + b)
"""

WRITING = """
x.copy_(torch.ones(3))
x.copy_(1)
x.copy_(x) is x
x.copy_(torch.ones(3, 3))
x.copy_(torch.ones(2, 2, 3))
x[0].copy_(torch.ones(2))
i.copy_(torch.tensor(1.7))
i.copy_(torch.tensor(float("nan")))
x.copy_(w)
x.copy_(torch.ones(3).double())
x.fill_(3)
x.fill_(value=2)
x.fill_(torch.tensor(2))
x.fill_(torch.ones(2))
x.fill_(1j)
i.fill_(2.7)
(x > 1).fill_(3)
torch.tensor([1], dtype=torch.uint8).fill_(300)
x.fill_(w[0, 0])
x.zero_()
torch.fill(x, 2)
x.resize_(2, 2)
x.resize_((1, 2))
x[1].resize_(2)
x.resize_(7)[:6]
x.resize_as_(torch.ones(2))
w.resize_(2)
y = x.detach();; x.resize_(2);; y
"""

STORAGES = """
x.flatten().data_ptr() == x.data_ptr()
x.clone().data_ptr() == x.data_ptr()
x[1].data_ptr() - x.data_ptr()
torch.empty(0).data_ptr()
x.is_set_to(x)
x.is_set_to(x.view(2, 3))
x.is_set_to(x[0])
x.is_set_to(x.clone())
x.storage().size()
len(x.storage())
x.storage().tolist()
x.storage().dtype
x.storage().nbytes()
x.storage().pickle_storage_type()
x.storage()[0]
x.storage()[0] = 5;; x
x.storage().fill_(5);; x
x.storage().copy_(torch.ones(6).storage());; x
x.storage().data_ptr() == x.data_ptr()
x[1].untyped_storage().nbytes()
x.untyped_storage().tolist()
x.untyped_storage() == x[1].untyped_storage()
hash(x.untyped_storage()) == hash(x.untyped_storage())
x.untyped_storage()[3]
x.untyped_storage().fill_(0);; x
x.untyped_storage().clone().nbytes()
torch.is_storage(x)
torch.is_storage(x.storage())
repr(x.storage())
repr(x.untyped_storage())
torch.TypedStorage(wrap_storage=x.untyped_storage(), dtype=torch.int32).tolist()
x.set_()
y = torch.ones(5);; x.set_(y);; x[0] = 7;; y
y = torch.ones(5);; x.set_(y.storage(), 1, (2,), (2,))
y = torch.ones(5);; x.set_(y.untyped_storage(), 1, (2, 2))
y = torch.ones(5, dtype=torch.int32);; x.set_(y)
y = torch.tensor([]);; y.set_(x.storage());; y
x.share_memory_() is x
"""

COPIES = """
import copy;; copy.deepcopy(w * 1)
import copy;; y = copy.deepcopy([x, x[0]]);; y[0][0, 0] = 9;; y, x
import copy;; y = copy.copy(x);; (y is x, y.data_ptr() == x.data_ptr())
import copy;; copy.deepcopy(x.t())
import copy;; w.grad = torch.ones(2, 3);; copy.deepcopy(w).grad
import copy;; x.foo = [3];; y = copy.deepcopy(x);; (y.foo, y.foo is x.foo)
import copy;; x.foo = 3;; copy.copy(x).foo
import copy;; y = torch.nn.Parameter(x);; z = copy.deepcopy([y, y]);; (z[0] is z[1], z[0])
import pickle;; pickle.loads(pickle.dumps(x.t()))
import pickle;; pickle.loads(pickle.dumps(w))
import pickle;; pickle.loads(pickle.dumps(w * 1))
import pickle;; x.foo = 1;; pickle.loads(pickle.dumps(x)).foo
import pickle;; pickle.loads(pickle.dumps(torch.nn.Parameter(x)))
import pickle;; pickle.loads(pickle.dumps(torch.ones(2, dtype=torch.bfloat16)))
import pickle;; pickle.loads(pickle.dumps(torch.empty(2, device="meta")))
"""


@pytest.mark.parametrize("line", lines(FACTS + WRITING + STORAGES + COPIES))
def test_line(line: str) -> None:
    check(line)


def test_a_copy_does_not_share_the_array() -> None:
    """Somebody may donate one of the two to a compiled function."""
    x = torchcompat.arange(4.0)
    for copied in (x.clone(), copy.deepcopy(x)):
        assert copied._read().unsafe_buffer_pointer() != x._read().unsafe_buffer_pointer()


def test_a_pickle_keeps_aliases() -> None:
    x = torchcompat.arange(6.0).view(2, 3)
    whole, row = pickle.loads(pickle.dumps([x, x[1]]))
    whole[1, 0] = 50
    assert row.tolist() == [50.0, 4.0, 5.0]


def test_addresses_survive_writes_and_differ() -> None:
    x, y = torchcompat.zeros(3), torchcompat.zeros(3)
    before = x.data_ptr()
    x.add_(1)
    assert x.data_ptr() == before
    assert len({x.data_ptr(), y.data_ptr(), x[1:].data_ptr()}) == 3


def test_numpy_values_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        torchcompat.zeros(3).numpy()[0] = 1


def test_values_of_a_tracer_raise_jax_errors() -> None:
    for read in (bool, int, float, lambda x: x.item()):
        with pytest.raises(jax.errors.ConcretizationTypeError):
            jax.jit(lambda x, f=read: f(wrap(x)))(jnp.ones(()))


def test_sizes_are_shared_with_torch() -> None:
    ours, theirs = torchcompat.zeros(2, 3).size(), torch.zeros(2, 3).size()
    assert (ours, repr(ours), ours.numel()) == (tuple(theirs), repr(theirs), theirs.numel())
    assert np.zeros(ours).shape == (2, 3)
