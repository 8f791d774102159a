"""`autograd.functional`, `gradcheck`, `autograd.graph` and anomaly mode: outcomes under both libraries."""

import warnings

import pytest
import torch as real

import torchcompat as ours
from tests._scenarios import outcome


def cube_sum(x):
    return (x**3).sum()


def weighted(x):
    return x**2 * x.sum()


def two_outputs(x, y):
    return (x * y).sum(), x + y


def two_inputs(x, y):
    return (x**2 * y).sum()


# name -> (the call as text, for each of torch and torchcompat as `torch`)
CALLS = {
    "vjp": "F.vjp(weighted, x, x)",
    "vjp_of_two": "F.vjp(two_outputs, (x, y), (torch.tensor(1.0), x))",
    "vjp_graph": "F.vjp(weighted, x, x, create_graph=True)[1].requires_grad",
    "vjp_without_vector": "F.vjp(weighted, x)",
    "vjp_of_number": "F.vjp(cube_sum, x)",
    "vjp_wrong_size": "F.vjp(weighted, x, torch.ones(3))",
    "vjp_wrong_count": "F.vjp(weighted, x, (x, x))",
    "vjp_no_tensor": "F.vjp(weighted, 3, x)",
    "vjp_no_tensor_in_tuple": "F.vjp(weighted, (x, 'a'), x)",
    "vjp_of_constant": "F.vjp(lambda x: torch.ones(2), x, x)",
    "vjp_of_constant_strict": "F.vjp(lambda x: torch.ones(2), x, x, strict=True)",
    "vjp_returns_number": "F.vjp(lambda x: 3, x, x)",
    "jvp": "F.jvp(weighted, x, x)",
    "jvp_of_two": "F.jvp(two_outputs, (x, y), (x, y))",
    "jvp_without_vector": "F.jvp(weighted, x)",
    "jvp_strict": "F.jvp(lambda x: x.detach(), x, x, strict=True)",
    "vhp": "F.vhp(cube_sum, x, x)",
    "vhp_of_two": "F.vhp(two_inputs, (x, y), (x, y))",
    "vhp_of_vector": "F.vhp(weighted, x, x)",
    "vhp_of_tuple": "F.vhp(two_outputs, (x, y), (x, y))",
    "hvp": "F.hvp(cube_sum, x, x)",
    "hvp_of_two": "F.hvp(two_inputs, (x, y), (x, y))",
    "hvp_graph": "F.hvp(cube_sum, x, x, create_graph=True)[1].requires_grad",
    "jacobian": "F.jacobian(weighted, x)",
    "jacobian_of_two": "F.jacobian(two_outputs, (x, y))",
    "jacobian_vectorized": "F.jacobian(two_outputs, (x, y), vectorize=True)",
    "jacobian_forward": "F.jacobian(weighted, x, vectorize=True, strategy='forward-mode')",
    "jacobian_forward_slow": "F.jacobian(weighted, x, strategy='forward-mode')",
    "jacobian_strict_vectorized": "F.jacobian(weighted, x, vectorize=True, strict=True)",
    "jacobian_strategy": "F.jacobian(weighted, x, strategy='abc')",
    "jacobian_strict": "F.jacobian(lambda x, y: x * 2, (x, y), strict=True)",
    "strict_constant": "[fails(F.vjp, lambda x: x * 0 + 1, x, x), fails(F.jvp, cut, x, x)]",
    "strict_linear": "[fails(f, lambda x: 2 * x, x, x) for f in (F.vjp, F.jvp)]",
    "strict_slope": "[fails(f, lambda x: x.sum(), x, x) for f in (F.vhp, F.hvp)]",
    "strict_square": "[fails(f, lambda x: (x * x).sum(), x, x) for f in (F.vhp, F.hvp)]",
    "graph_of_linear_vectors": "by_vector(torch)",
    "hessian": "F.hessian(cube_sum, x)",
    "hessian_of_two": "F.hessian(two_inputs, (x, y))",
    "hessian_of_vector": "F.hessian(weighted, x)",
    "hessian_of_linear": "F.hessian(lambda x: x.sum(), x)",
    "hessian_of_linear_strict": "F.hessian(lambda x: x.sum(), x, strict=True)",
    "hessian_strategy": "F.hessian(cube_sum, x, outer_jacobian_strategy='abc')",
    "gradcheck": "A.gradcheck(lambda x: x**2, d)",
    "gradcheck_of_two": "A.gradcheck(lambda x, y: (x * y, x + y), (d, e))",
    "gradcheck_other_argument": "A.gradcheck(lambda x, k: x * k, (d, 3))",
    "gradcheck_fast": "A.gradcheck(lambda x: x**2, d, fast_mode=True)",
    "gradcheck_wrong_false": "A.gradcheck(wrong(torch), d, raise_exception=False)",
    "gradcheck_no_input": "A.gradcheck(lambda x: x**2, d.detach())",
    "gradcheck_constant": "A.gradcheck(lambda x: x.detach(), d)",
    "gradcheck_nothing": "A.gradcheck(lambda x: x, d, check_backward_ad=False)",
    "gradcheck_forward": "A.gradcheck(lambda x: x**2, d, check_forward_ad=True)",
    "gradcheck_complex": "A.gradcheck(lambda z: z * z.conj() * z, z)",
    "gradcheck_complex_to_real": "A.gradcheck(lambda z: z.abs(), z)",
    "gradcheck_expanded": "A.gradcheck(lambda x: x * 2, d[:1].expand(2))",
    "gradcheck_by_another_name": "A.gradcheck(lambda x: d**2, d)",
    "gradcheck_by_another_name_fast": "A.gradcheck(lambda x: d**2, d, fast_mode=True)",
    "gradgradcheck": "A.gradgradcheck(lambda x: x**3, d)",
    "gradgradcheck_fast": "A.gradgradcheck(lambda x: x**3, d, fast_mode=True)",
    "gradient_edge": "edge(torch)",
    "edge_of_constant": "G.get_gradient_edge(torch.ones(1))",
    "is_node": "[isinstance(n, G.Node) for n in (d.exp().grad_fn, wrong(torch)(d).grad_fn, 3)]",
    "version": "bumped(torch)",
    "packed": "packed(torch)",
    "unpacked_to_text": "unpacked_to_text(torch)",
    "hooks_refused": "hooks_refused(torch)",
    "on_cpu": "on_cpu(torch)",
    "multi_hook": "multi_hook(torch, 'all')",
    "multi_hook_any": "multi_hook(torch, 'any')",
    "multi_hook_mode": "multi_hook(torch, 'foo')",
    "allowed_mutation": "allowed_mutation(torch)",
    "anomaly": "anomaly(torch)",
    "anomaly_without_trace": "anomaly_late(torch)",
    "batched": "A.grad((d**2), d, torch.eye(2, dtype=torch.float64), is_grads_batched=True)",
}


def cut(x):
    return x.detach().clone().requires_grad_()


def fails(f, function, x, v):
    """The texts of the errors in strict mode, without and with a graph."""
    found = []
    for create_graph in (False, True):
        try:
            f(function, x, v, create_graph=create_graph, strict=True)
            found.append("")
        except RuntimeError as error:
            found.append(str(error))
    return found


def by_vector(torch):
    v = torch.ones(2, requires_grad=True)
    found = []
    for f in (torch.autograd.functional.vjp, torch.autograd.functional.jvp):
        _, product = f(lambda x: 3 * x, torch.ones(2), v, create_graph=True)
        found.append(torch.autograd.grad(product.sum(), v)[0].tolist())
    return found


def wrong(torch):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    return Wrong.apply


def edge(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    found = torch.autograd.graph.get_gradient_edge(y)
    (g,) = torch.autograd.grad(y.exp().sum(), found)
    return round(g[0].item(), 4), found.node.name(), found.output_nr, type(found).__name__


def bumped(torch):
    x = torch.ones(2)
    torch.autograd.graph.increment_version(x)
    torch.autograd.graph.increment_version([x])
    return x._version


def packed(torch):
    seen = []

    def pack(t):
        seen.append(list(t.shape))
        return t * 2

    def unpack(t):
        seen.append("unpack")
        return t / 2

    x = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (x.sin() * x).cos()
    y.sum().backward()
    return seen, [round(v, 4) for v in x.grad.tolist()]


def unpacked_to_text(torch):
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: 3, lambda t: "a"):
        y = x.exp()
    y.sum().backward()


def hooks_refused(torch):
    graph = torch.autograd.graph
    hooks = graph.saved_tensors_hooks(lambda t: t, lambda t: t)
    with graph.disable_saved_tensors_hooks("not here"), hooks:
        pass


def on_cpu(torch):
    x = torch.ones(3, requires_grad=True)
    with torch.autograd.graph.save_on_cpu():
        y = x * x
    y.sum().backward()
    return x.grad


def multi_hook(torch, mode):
    x, y, z = (torch.ones(2, requires_grad=True) for _ in range(3))
    seen = []

    def note(found):
        seen.append([g is None for g in found] if mode == "all" else found.tolist())

    handle = torch.autograd.graph.register_multi_grad_hook((x, y, z), note, mode=mode)
    (x * y).sum().backward()
    (x * y * z).sum().backward()
    handle.remove()
    (x * y).sum().backward()
    return seen


def allowed_mutation(torch):
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        x = torch.ones(2, requires_grad=True)
        y = x.clone()
        out = (y**2).sum()
        y.sin_()
        out.backward()
    return x.grad


def anomaly(torch):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            y = (torch.zeros(1, requires_grad=True).sqrt() * 0).sum()
            try:
                y.backward()
            except RuntimeError as error:
                texts = [str(w.message).splitlines()[0] for w in seen]
                return str(error), texts


def anomaly_late(torch):
    y = (torch.zeros(1, requires_grad=True).sqrt() * 0).sum()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with torch.autograd.set_detect_anomaly(True):
            try:
                y.backward()
            except RuntimeError as error:
                return str(error), str(seen[0].message).partition(" (Trig")[0]


def arguments(torch):
    leaf = {"dtype": torch.float64, "requires_grad": True}
    return {
        "torch": torch,
        "A": torch.autograd,
        "F": torch.autograd.functional,
        "G": torch.autograd.graph,
        "x": torch.tensor([1.0, 2.0]),
        "y": torch.tensor([3.0, 4.0]),
        "d": torch.tensor([1.0, 2.0], **leaf),
        "e": torch.tensor([3.0, 4.0], **leaf),
        "z": torch.tensor([1 + 2j, 2 - 1j], dtype=torch.complex128, requires_grad=True),
    }


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
@pytest.mark.parametrize("name", CALLS)
def test_same_as_torch(name):
    def scenario(torch):
        return eval(CALLS[name], globals() | arguments(torch))  # noqa: S307

    assert outcome(scenario, ours) == outcome(scenario, real)


def test_mismatch_is_shown():
    """All of torch's text, and the type of the error."""

    def text(torch):
        x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
        with pytest.raises(torch.autograd.gradcheck.__globals__["GradcheckError"]) as raised:
            torch.autograd.gradcheck(wrong(torch), x)
        return str(raised.value)

    assert text(ours) == text(real)


def test_names_of_modules():
    """Every name that torch documents under `autograd` is here."""
    assert set(real.autograd.__all__) <= set(dir(ours.autograd))
    for module in ("functional", "grad_mode", "forward_ad"):
        theirs = getattr(real.autograd, module)
        assert set(getattr(theirs, "__all__", ())) <= set(dir(getattr(ours.autograd, module)))
