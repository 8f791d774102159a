"""The torch namespace's answers against torch's own, on a machine without accelerators."""

import abc
import warnings

import numpy as np
import pytest
import torch
import torch._jit_internal
import torch.masked
import torch.utils._pytree

import torchcompat as tc

# Expressions of `t`, whose results or errors are compared as text.
ANSWERS = """t.cuda.is_available()
t.ones(2).layout == t.sparse_coo
t.serialization.DEFAULT_PROTOCOL
t._C._functorch.is_batchedtensor(t.ones(2))
t.vmap(lambda x: x * t._C._functorch.is_batchedtensor(x))(t.ones(2))
t.cuda.device_count()
t.cuda.current_device()
t.cuda.get_device_name()
t.cuda.get_device_capability()
t.cuda.get_device_properties(0)
t.cuda.memory_allocated()
t.cuda.max_memory_allocated()
t.cuda.synchronize()
t.cuda.empty_cache()
t.cuda.mem_get_info()
t.cuda.is_bf16_supported()
t.cuda.manual_seed_all(1)
t.cuda.get_rng_state_all()
t.cuda.default_generators
t.cuda.is_initialized()
t.cuda.init()
t.cuda.get_arch_list()
t.cuda.FloatTensor([1])
t.cuda.stream(None).__enter__()
t.xpu.is_available()
t.xpu.device_count()
t.xpu.current_device()
t.mps.is_available()
t.mps.empty_cache()
t.mps.current_allocated_memory()
t.backends.mps.is_available()
t.mtia.is_available()
t.cpu.is_available()
t.cpu.device_count()
t.accelerator.is_available()
t.accelerator.device_count()
t.accelerator.current_accelerator()
t.accelerator.current_device_index()
t.accelerator.synchronize()
t.backends.cudnn.is_available()
t.backends.cudnn.version()
t.backends.cudnn.enabled
t.backends.cudnn.benchmark
t.backends.cudnn.allow_tf32
t.backends.cuda.matmul.allow_tf32
t.backends.cuda.is_built()
t.backends.cpu.get_cpu_capability()
t.backends.opt_einsum.enabled
t.backends.opt_einsum.strategy
t.get_float32_matmul_precision()
t.are_deterministic_algorithms_enabled()
t.get_deterministic_debug_mode()
t.set_deterministic_debug_mode('x')
t.set_deterministic_debug_mode(7)
t.set_num_threads(0)
t.is_warn_always_enabled()
t.is_autocast_enabled()
t.is_autocast_enabled('cpu')
t.get_autocast_dtype('cuda')
t.get_autocast_dtype('cpu')
t.is_autocast_cache_enabled()
t.is_autocast_enabled('meta')
t.distributed.get_rank()
t.distributed.all_reduce(t.ones(1))
t.distributed.is_initialized()
t.distributed.ReduceOp.SUM is not None
t.jit.is_scripting()
t.jit.is_tracing()
t.jit.annotate(int, 3)
t.jit.isinstance([1, 2], list[int])
t.jit.isinstance([1, 'a'], list[int])
t.jit.isinstance({'a': 1}, dict[str, int])
t.jit.isinstance((1, 'a'), tuple[int, str])
t.jit.ignore(3)
t.jit.wait(t.jit.fork(lambda a: a + 1, 2))
t.onnx.is_in_onnx_export()
t.compiler.is_compiling()
t.compiler.is_exporting()
t._C._get_tracing_state()
t._assert(False, 'no')
t._assert(t.tensor(True), 'yes')
t._assert_async(t.tensor(0.0))
t._check(False)
t._check(False, lambda: 'why')
t._check(1)
t._check(t.tensor(True))
t._check_index(False, lambda: 'x')
t._check_value(False, lambda: 'x')
t._check_type(False, lambda: 'x')
t._check_tensor_all(t.tensor([True, False]))
t.typename(t.ones(1))
t.typename(t.nn.Linear(1, 1))
t.typename(3)
t.typename(t.float32)
t.sym_int(3.7), t.sym_int(-3.7), t.sym_max(1, 2.0), t.sym_not(True), t.sym_ite(True, 1, 2), t.sym_sum([1, 2])
t.__version__ >= (2, 4), t.__version__ > '2.13.1', t.__version__ < '2.14', t.__version__ >= '2.13.0'
t.torch_version.TorchVersion('2.1.0a0') < '2.1.0', t.torch_version.TorchVersion('1.10') > '1.9'
[int(n) for n in t.__version__.split('.')[:2]]
t.version.cuda, t.version.hip
t.Stream()
t._shape_as_tensor(t.ones(2, 3))
t._softmax_backward_data(t.tensor([1.0, 2.0]), t.tensor([0.25, 0.75]), 0, t.float32)
t.unbind_copy(t.ones(2)), t.expand_copy(t.ones(1), (3,)), t.t_copy(t.ones(1, 2))
t.classes.a.B
t.utils.data.get_worker_info()
t.torch is t
t.overrides.is_tensor_like(t.ones(1)), t.overrides.is_tensor_like(3)
t.overrides.has_torch_function((t.ones(1), 3))
t.ao.quantization.QConfig(t.nn.Linear(1, 1), None)
t.nn.quantized.FloatFunctional().add(t.ones(1), t.ones(1))
t.nn.quantized.FloatFunctional()(t.ones(1))
t.nn.DataParallel(t.nn.Linear(2, 1)).state_dict().keys()
t.hub.HASH_REGEX.search('a-0123abcd.pth').group(1)
t.multiprocessing.get_sharing_strategy()
[t.profiler.schedule(wait=1, warmup=1, active=2, repeat=1)(i).name for i in range(6)]""".splitlines()


def told(m, text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return repr(eval(text, {"t": m}))
        except Exception as error:
            return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("text", ANSWERS)
def test_answers(text):
    assert told(tc, text) == told(torch, text)


def test_every_name_that_torchvision_timm_and_transformers_use():
    """The names of shared/api/torch_api_used.csv that lie in the modules tested here exist."""
    names = """jit.Final jit.ignore jit.unused jit.export jit._overload_method jit._script_if_tracing
    jit.annotations.BroadcastingList2 jit.annotations.List compiler.disable compiler.allow_in_graph
    _dynamo.mark_static_address _dynamo.utils.is_compile_supported _dynamo.config export.Dim onnx.operators
    onnx.symbolic_opset11.unsqueeze onnx.symbolic_helper.parse_args onnx.TensorProtoDataType.FLOAT
    utils.checkpoint.checkpoint ao.quantization.QuantStub ao.quantization.fuse_modules amp.autocast
    nn.quantized.FloatFunctional hub.load_state_dict_from_url hub._get_torch_home cuda.Stream
    distributed.fsdp.FullyShardedDataParallel distributed.tensor.DTensor library.custom_op
    nn.parallel.DistributedDataParallel library.Library classes.xielu return_types.topk _C.DispatchKey
    _subclasses.fake_tensor.FakeTensor utils._python_dispatch.is_traceable_wrapper_subclass
    nn.attention.flex_attention.BlockMask testing.assert_close masked.mean SymInt types.Number
    _C._TensorMeta _C._functorch.is_batchedtensor TensorType PyTorchFileReader __config__.show
    fx.experimental.proxy_tensor.get_proxy_mode nn.parallel.scatter_gather.scatter serialization.MAP_LOCATION
    distributions.transforms._InverseTransform ops.aten._convolution sparse_coo jagged
    Future distributions.wishart.Wishart"""
    for name in names.split():
        value = tc
        for part in name.split("."):
            value = getattr(value, part, None) or __import__(
                f"{value.__name__}.{part}", fromlist=["_"]
            )


def test_absent_names_import_and_refuse():
    from torchcompat.distributed.tensor import DTensor, distribute_tensor

    assert not isinstance(tc.ones(1), DTensor)
    with pytest.raises(
        NotImplementedError, match=r"torch.distributed.tensor.DTensor: there is one"
    ):
        DTensor(tc.ones(1))
    with pytest.raises(NotImplementedError, match="torch.distributed.tensor.distribute_tensor"):
        distribute_tensor(tc.ones(1))
    with pytest.raises(ImportError, match="tensorboard"):
        __import__("torchcompat.utils.tensorboard")


def test_decorators_return_the_function():
    def f(x):
        return x

    assert all(
        decorator(f) is f
        for decorator in (
            tc.jit.script,
            tc.jit.ignore,
            tc.jit.unused,
            tc.jit.export,
            tc.jit.ignore(drop=True),
            tc.compiler.disable,
            tc.compiler.disable(recursive=False),
            tc.compiler.allow_in_graph,
            tc._dynamo.disable,
        )
    )


def test_compiling_is_seen():
    seen = []

    def f(x):
        seen.append((tc.compiler.is_compiling(), tc._dynamo.is_compiling()))
        return x + 1

    tc.compile(f)(tc.ones(2))
    assert set(seen) == {(True, True)} and not tc.compiler.is_compiling()


def test_device_as_context():
    with tc.device("meta"):
        assert tc.ones(2).device.type == "meta" and tc.nn.Linear(2, 2).weight.device.type == "meta"
    assert tc.ones(2).device.type == "cpu"


def test_settings_are_kept():
    tc.use_deterministic_algorithms(True, warn_only=True)
    assert tc.get_deterministic_debug_mode() == 1
    tc.use_deterministic_algorithms(False)
    tc.set_float32_matmul_precision("high")
    assert tc.backends.cuda.matmul.allow_tf32
    tc.set_float32_matmul_precision("highest")
    assert not tc.backends.cuda.matmul.allow_tf32
    with tc.backends.cudnn.flags(benchmark=True):
        assert tc.backends.cudnn.benchmark
    assert not tc.backends.cudnn.benchmark


# -- trees -----------------------------------------------------------------------------------------------

TREES = """p.tree_flatten({'a': 1, 'b': [2, (3, None)]})
p.tree_structure([1, {'x': ()}])
p.tree_structure(c.OrderedDict(b=1, a=[2]))
p.tree_flatten_with_path({'a': [1, P(2, 3)]})[0]
p.tree_map(lambda a, b: a + b, [1, {'k': 2}], [10, {'k': 20}])
p.tree_map(lambda a, b: a, [1, 2], [1])
p.tree_map(lambda a, b: a, {'a': 1}, {'b': 1})
p.tree_map(lambda a, b: a, [1], (1,))
p.tree_map_only(int, lambda n: -n, [1, 'a', (2.0, 3)])
p.tree_unflatten([1, 2], p.tree_structure([0]))
p.tree_leaves(c.deque([1, c.defaultdict(list, a=2)]))
p.tree_structure([1, 2]) == p.tree_structure([3, 4]), p.tree_structure([1]) == p.tree_structure((1,))
p.treespec_dumps(p.tree_structure({'a': [1]}))
p.treespec_loads(p.treespec_dumps(p.tree_structure([1, {'k': c.OrderedDict(a=1)}])))
p.keystr(p.tree_flatten_with_path({'a': [1]})[0][0][0])
p.tree_all(lambda x: x > 0, [1, 2]), p.tree_any_only(int, lambda x: x > 1, [1, 'a'])
p._broadcast_to_and_flatten((1, [2]), p.tree_structure((0, [0])))
p.tree_structure(P(1, 2)).num_leaves, p.tree_structure([[], 1]).num_nodes
p.tree_map_with_path(lambda k, x: (p.keystr(k), x), [1, [2]])""".splitlines()


@pytest.mark.parametrize("text", TREES)
def test_trees(text):
    import collections

    import torchcompat.utils._pytree as ours

    pair = collections.namedtuple("P", "x y")

    def run(p):
        try:
            return repr(eval(text, {"p": p, "c": collections, "P": pair}))
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    assert run(ours) == run(torch.utils._pytree)


# -- assert_close ----------------------------------------------------------------------------------------

COMPARISONS = """a(o(2), o(2) * 1.1)
a(o(2, 2), T([[1.0, 2.0], [3.0, 1.0]]))
a(o(2), o(3))
a(o(2), o(2).double())
a(o(2), 1.0)
a([o(1)], [o(1), o(1)])
a({'a': o(1)}, {'b': o(1)})
a({'a': o(2)}, {'a': o(2) * 2})
a([(o(2), o(1))], [(o(2), o(1) * 2)])
a(1.0, 1.1)
a(1, 2)
a(True, False)
a(float('nan'), float('nan'))
a(o(1) * float('nan'), o(1) * float('nan'))
a(o(1) * float('nan'), o(1) * float('nan'), equal_nan=True)
a('a', 'b')
a(None, 1)
a(T(1.0), T(2.0))
a(T([1, 2]), T([1, 3]))
a(T([True]), T([False]))
a(o(2), o(2) * 2, rtol=0, atol=0)
a(o(2), o(2), rtol=1)
a(o(2), o(2) * 2, msg='hello')
a(o(2), o(2) * 2, msg=lambda m: 'X' + m)
a(o(2, 3).t(), o(3, 2), check_stride=True)
a(o(1), o(1, device='meta'))
a(1, 1.0)
a(T([1 + 2j]), T([1 + 3j]))
a(T([float('inf'), 1.0]), T([1.0, 1.0]))
a(o(2).half(), o(2).half() * 1.001)
a(o(2), o(2).double(), check_dtype=False)""".splitlines()


@pytest.mark.parametrize("text", COMPARISONS)
def test_assert_close(text):
    def run(m):
        try:
            return eval(text, {"a": m.testing.assert_close, "o": m.ones, "T": m.tensor})
        except Exception as error:
            return type(error), str(error)

    assert run(tc) == run(torch)


def test_make_tensor():
    made = tc.testing.make_tensor(40, dtype=tc.int64, device="cpu", low=-2, high=3)
    assert set(made.tolist()) == {-2, -1, 0, 1, 2}
    made = tc.testing.make_tensor(3, 4, dtype=tc.float32, device="cpu", noncontiguous=True)
    assert not made.is_contiguous() and made.abs().max() <= 9
    with pytest.raises(ValueError, match="`requires_grad=True` is not supported"):
        tc.testing.make_tensor(2, dtype=tc.int64, device="cpu", requires_grad=True)


# -- masked ----------------------------------------------------------------------------------------------

MASKED = """sum(x, 1, mask=m)
sum(x, mask=m)
prod(x, 1, mask=m)
mean(x, 1, keepdim=True, mask=m)
var(x, 1, mask=m)
std(x, 1, unbiased=False, mask=m)
amax(x, 1, mask=m)
amin(x, 0, mask=m)
argmax(x, 1, mask=m)
argmin(x, mask=m)
logsumexp(x, 1, mask=m)
norm(x, 2.0, 1, mask=m)
median(x, 1, mask=m)""".splitlines()
MASKED_ALONG = "softmax log_softmax softmin cumsum cumprod".split()


def masked_inputs(m):
    rng = np.random.default_rng(0)
    return m.tensor(rng.standard_normal((3, 4)).astype("f")), m.tensor(rng.random((3, 4)) > 0.4)


@pytest.mark.parametrize("text", MASKED)
def test_masked(text):
    results = []
    for m in (tc, torch):
        x, mask = masked_inputs(m)
        results.append(eval(f"f.{text}", {"f": m.masked, "x": x, "m": mask}).numpy())
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MASKED_ALONG)
def test_masked_along(name):
    results = []
    for m in (tc, torch):
        x, mask = masked_inputs(m)
        results.append(getattr(m.masked, name)(x, 1, mask=mask)[mask].numpy())
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)


# -- library ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [torch, tc], ids=["torch", "torchcompat"])
def test_custom_op(m):
    def scaled(x, n=2):
        return x * n

    scaled.__annotations__ = {"x": m.Tensor, "n": int, "return": m.Tensor}
    op = m.library.custom_op(f"{m.__name__}_test::scaled", mutates_args=())(scaled)
    assert op._qualname == f"{m.__name__}_test::scaled"
    op.register_fake(lambda x, n=2: m.empty_like(x))
    op.register_autograd(lambda ctx, g: (g * ctx.n, None), setup_context=keep)
    x = m.ones(2, requires_grad=True)
    out = op(x, 3)
    out.sum().backward()
    assert (out.tolist(), x.grad.tolist()) == ([3, 3], [3, 3])
    named = getattr(m.ops, f"{m.__name__}_test").scaled
    assert named(m.ones(1)).tolist() == [2]
    assert op(m.ones(2, 3, device="meta")).shape == (2, 3)


def keep(ctx, inputs, output):
    ctx.n = inputs[1]


def test_library_of_a_namespace():
    lib = tc.library.Library("torchcompat_lib", "DEF")
    assert lib.define("twice(Tensor x) -> Tensor") == "twice"
    lib.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
    assert tc.ops.torchcompat_lib.twice(tc.ones(1)).tolist() == [2]
    with pytest.raises(ValueError, match="Unsupported kind: NEW"):
        tc.library.Library("a", "NEW")


@pytest.mark.parametrize(
    "annotations", [{"x": "T", "n": int}, {"x": "T?", "y": "T[]"}, {"x": dict}]
)
def test_infer_schema(annotations):
    def run(m):
        kinds = {"T": m.Tensor, "T?": m.Tensor | None, "T[]": list[m.Tensor]}

        def one(x, n=3): ...

        def two(x, *, y): ...

        f = two if "y" in annotations else one
        f.__annotations__ = {k: kinds.get(v, v) for k, v in annotations.items()} | {
            "return": m.Tensor
        }
        try:
            return m.library.infer_schema(f, mutates_args=("x",))
        except ValueError:
            return ValueError

    assert run(tc) == run(torch)


# -- subclasses of Tensor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [torch, tc], ids=["torch", "torchcompat"])
def test_subclasses(m):
    class Boxes(m.Tensor):
        def __new__(cls, data, *, form):
            made = m.as_tensor(data).as_subclass(cls)
            made.form = form
            return made

    base = m.ones(2, requires_grad=True)
    boxes = Boxes(base * 2, form="xyxy")
    assert (type(boxes), boxes.form, boxes.tolist()) == (Boxes, "xyxy", [2, 2])
    plain = boxes.as_subclass(m.Tensor)
    assert type(plain) is m.Tensor
    plain.sum().backward()
    assert base.grad.tolist() == [2, 2]
    shared = m.zeros(2)
    shared.as_subclass(Boxes).add_(1)
    assert shared.tolist() == [1, 1]
    assert type(m.Tensor._make_subclass(Boxes, m.ones(1))) is Boxes
    with pytest.raises(TypeError):
        shared.as_subclass(int)


@pytest.mark.parametrize(
    "make", ["zeros(2", "ones_like(x", "rand(2", "eye(2", "randint_like(x, 3", "full((2,), 1"]
)
def test_sparse_layouts_are_refused(make):
    with pytest.raises(NotImplementedError, match="sparse_csr"):
        eval(f"t.{make}, layout=t.sparse_csr)", {"t": tc, "x": tc.ones(2)})


def test_a_class_may_derive_from_an_absent_one_and_from_an_abstract_one():
    abstract = type("Abstract", (abc.ABC,), {})
    derived = type("Derived", (abstract, tc.Graph), {})
    with pytest.raises(NotImplementedError):
        derived()
