"""What torch.nn.functional and torch.nn have besides functions of layers and layers."""

import pytest
import torch
from _both import attempt, both

import torchcompat
from tests._parity import assert_close, to_ours

CONVOLUTIONS = [
    (1, (2, 4, 7), (6, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
    (2, (2, 4, 6, 5), (6, 4, 3, 2), {"stride": (2, 1), "dilation": 2, "padding": 2}),
    (3, (1, 2, 4, 4, 4), (2, 1, 2, 2, 2), {"groups": 2}),
]


@pytest.mark.parametrize("n, size, weight_size, options", CONVOLUTIONS)
def test_gradients_of_convolutions(n, size, weight_size, options):
    generator = torch.Generator().manual_seed(n)
    input, weight = (torch.randn(s, generator=generator) for s in (size, weight_size))
    output = getattr(torch.nn.functional, f"conv{n}d")(input, weight, **options)
    slope = torch.randn(output.shape, generator=generator)
    own = to_ours((input, weight, slope))
    for what, first, last in (("input", size, 1), ("weight", 0, weight_size)):
        theirs = [input if first == 0 else first, weight if last == 1 else last, slope]
        mine = [own[0] if first == 0 else first, own[1] if last == 1 else last, own[2]]
        name = f"conv{n}d_{what}"
        expected = getattr(torch.nn.grad, name)(*theirs, **options)
        assert_close(getattr(torchcompat.nn.grad, name)(*mine, **options), expected, factor=4)
    assert torchcompat.nn.functional.grad is torchcompat.nn.grad


@both
def test_factory_kwargs(torch):
    run = torch.nn.factory_kwargs
    yield run(None), run({"device": "cpu"}), run({"factory_kwargs": {"dtype": 1}, "device": 2})
    yield attempt(run, {"x": 1}), attempt(run, {"device": 1, "factory_kwargs": {"device": 2}})


@both
def test_helpers(torch):
    functional = torch.nn.functional
    for arg in (3, (1, 2), [1, 2], (1, 2, 3), "s"):
        yield attempt(functional.assert_int_or_pair, arg, "size", "{} is wrong")
    rest = "flag", 1, False
    yield attempt(functional.boolean_dispatch, *rest, max, min, None, None)
    functions = (lambda x, flag=True: max(x)), (lambda x, flag=False: min(x))
    choose = functional.boolean_dispatch(*rest, *functions, "somewhere", "choose")
    yield choose([1, 2], flag=True), choose([1, 2]), choose.__name__, choose.__module__
    for sizes in (([None, 3], [7, 5, 6]), (4, [5]), ([3], [5])):
        yield attempt(functional._list_with_default, *sizes)
    x = torch.arange(16.0).view(1, 1, 4, 4)
    yield functional._max_pool2d(x, 2, 1), functional._adaptive_max_pool2d(x, 3)
    yield functional._max_pool1d(x[0], 2), functional._max_pool3d(x[None], (1, 2, 2))
    square, tall = torch.eye(4), torch.ones(3, 4)
    yield functional._in_projection(x, x, x, square, square, square, torch.ones(4))
    project = functional._in_projection
    yield attempt(project, x, x, x, square, tall, square)
    yield attempt(project, x, x, x, square, square, square, None, torch.ones(3))
    yield functional.has_torch_function((x,)), functional.has_torch_function_unary(x)
    yield functional.has_torch_function_variadic(x, 1)
