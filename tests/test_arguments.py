"""How torch functions take their arguments: old positional forms, NumPy's names, and errors."""

import pytest
from _lines import check, lines

FORMS = """
torch.add(x, 2, x)
x.add(2, x)
x.add_(2, x)
x.sub(2, x)
x.addcmul(2, x, x)
x.addcdiv_(2, x, x + 1)
torch.addmm(2, x, 3, x, torch.eye(3))
torch.addmm(2, x, x, torch.eye(3))
x.addmm_(2, x.clone(), torch.eye(3))
x.cumsum(axis=0)
x.cumsum_(axis=1)
x.softmax(axis=0)
x.sum(axis=1, keepdims=True)
torch.squeeze(x, axis=0)
torch.swapaxes(x, axis0=0, axis1=1)
torch.FloatStorage(3).size()
torch.FloatStorage([1, 2]).tolist()
torch.LongStorage([1, 2]).float().type()
isinstance(x.storage(), torch.FloatStorage), isinstance(x.storage(), torch.LongStorage)
torch.UntypedStorage([1, 2]).tolist()
x.unbind(axis=1)
torch.repeat_interleave(x, 2, axis=0)
x.tensor_split(2, axis=1)
x.split_with_sizes([1, 1], axis=0)
torch.take_along_dim(x, x.long() * 0, axis=1)
torch.narrow_copy(x, axis=1, start=0, length=1)
torch.empty(2, 3, 4, 5, memory_format=torch.channels_last).stride()
torch.nn.functional.relu(x, True)
torch.nn.functional.elu(x, 1.0, True)
"""
ERRORS = """
x.sum(0, 1)
torch.FloatStorage(1, 2)
torch.FloatStorage('a')
torch.TypedStorage(wrap_storage=torch.UntypedStorage(4))
torch.empty(2, 3, memory_format=torch.channels_last)
torch.mul(x, 1, 2)
x.transpose(0)
x.transpose()
x.gather(0)
x.mul()
x.cumsum()
x.add_(1, bogus=2)
x.add(1, bogus=2)
x.softmax(1.5)
x.unsqueeze('a')
x.transpose(0, 'a')
x.chunk('a')
torch.stack(x, 0)
torch.add(x, 'a')
x.unflatten(0, (1, 5))
del x[0]
x[torch.tensor([True, False])] = torch.tensor([[1, 2], [3, 4]])
i[torch.tensor([0, 1])] = torch.ones(4)
torch.unravel_index(torch.tensor(1), 2.0)
torch.unravel_index(torch.tensor(1), (2.0,))
torch.unravel_index(torch.tensor(1), 0)
x.resize_(2, 2)._version
torch.tensor([True, False]).index_put_((torch.tensor([0, 1]),), torch.tensor([True, True]), True)
"""


@pytest.mark.parametrize("line", [*lines(FORMS), *lines(ERRORS)])
def test_arguments(line):
    check(line)
