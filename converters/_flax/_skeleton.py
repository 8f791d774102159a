"""A module of torchcompat as Flax's own layers would hold its values: NNX state, or Linen variables.

No Flax model is needed. Each layer that Flax has too gets Flax's names and layouts, by the same table of
layers that `wrap` reads; what Flax has no layer for keeps torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from converters._flax import _nnx
from converters._flax._build import LeafBuilder
from converters._flax._cells import moved
from converters._flax._layouts import FLIPPED, KERNEL, SAME, Layout
from converters._flax._module import Holder
from converters._flax._seen import Leaf
from converters._flax._table import named_row
from torchcompat import nn

# The attributes of Flax's layers that the layouts look at, as Flax sets them by default.
_DEFAULTS = SimpleNamespace(transpose_kernel=False)
_STATISTICS = ("mean", "var")
_LISTS = (nn.ModuleList, nn.ModuleDict)


def _of(name: str, path: str, layout: Layout = SAME) -> tuple[str, str, Layout]:
    return name, path, layout


def _plain(*entries: tuple[str, str, Layout]) -> Callable[[Any], dict[str, tuple]]:
    """The shapes of the Flax values of a layer whose parameters stand for one value each."""

    def shapes(module: Any) -> dict[str, tuple]:
        found = {}
        for name, path, layout in entries:
            tensor = getattr(module, name)
            if tensor is not None:
                order = _axes(layout, tensor.ndim)
                found[path] = tuple(tensor.shape[i] for i in order)
        return found

    return shapes


def _axes(layout: Layout, rank: int) -> tuple[int, ...]:
    """Of each axis of the Flax array, the axis of torch's."""
    if layout is KERNEL:
        return (*range(2, rank), 1, 0)
    return (*range(2, rank), 0, 1) if layout is FLIPPED else tuple(range(rank))


def _attention(module: Any) -> dict[str, tuple]:
    width, heads = module.embed_dim, module.num_heads
    size = width // heads
    found = {f"{name}.kernel": (width, heads, size) for name in ("query", "key", "value")}
    found["out.kernel"] = (heads, size, width)
    if module.in_proj_bias is not None:
        found |= {f"{name}.bias": (heads, size) for name in ("query", "key", "value")}
        found["out.bias"] = (width,)
    return found


def _gates(inputs: str, hiddens: str, biased: str) -> Callable[[Any], dict[str, tuple]]:
    """A cell with one matrix a gate: names of those of the inputs and the state, and which have a bias."""

    def shapes(module: Any) -> dict[str, tuple]:
        size = module.hidden_size
        found: dict[str, tuple] = {f"{n}.kernel": (module.input_size, size) for n in inputs.split()}
        found |= {f"{name}.kernel": (size, size) for name in hiddens.split()}
        return found | {f"{name}.bias": (size,) for name in biased.split() if module.bias}

    return shapes


def _fused(module: Any) -> dict[str, tuple]:
    inputs, hidden = (module.weight_ih.shape, module.weight_hh.shape)
    found = {"dense_i.kernel": tuple(inputs[::-1]), "dense_h.kernel": tuple(hidden[::-1])}
    return found | ({"dense_i.bias": (inputs[0],)} if module.bias else {})


_KERNEL = _plain(_of("weight", "kernel", KERNEL), _of("bias", "bias"))
_TRANSPOSED = _plain(_of("weight", "kernel", FLIPPED), _of("bias", "bias"))
_NORM = _plain(_of("weight", "scale"), _of("bias", "bias"))
_BATCH_NORM = _plain(
    _of("weight", "scale"),
    _of("bias", "bias"),
    _of("running_mean", "mean"),
    _of("running_var", "var"),
)
_EMBEDDING = _plain(_of("weight", "embedding"))
_GATED = "hi hf hg ho"


class Counterpart(NamedTuple):
    """Flax's layers for one of torch's: their names in NNX and Linen, and the shapes of their values."""

    nnx: str
    linen: str
    shapes: Callable[[Any], dict[str, tuple]]
    linen_shapes: Callable[[Any], dict[str, tuple]] | None = None


_LAYERS = {
    (nn.Linear,): Counterpart("Linear", "Dense", _KERNEL),
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): Counterpart("Conv", "Conv", _KERNEL),
    (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): Counterpart(
        "ConvTranspose", "ConvTranspose", _TRANSPOSED
    ),
    (nn.Embedding,): Counterpart("Embed", "Embed", _EMBEDDING),
    (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm): Counterpart(
        "BatchNorm", "BatchNorm", _BATCH_NORM
    ),
    (nn.LayerNorm,): Counterpart("LayerNorm", "LayerNorm", _NORM),
    (nn.GroupNorm,): Counterpart("GroupNorm", "GroupNorm", _NORM),
    (nn.RMSNorm,): Counterpart("RMSNorm", "RMSNorm", _plain(_of("weight", "scale"))),
    (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d): Counterpart(
        "InstanceNorm", "InstanceNorm", _NORM
    ),
    (nn.MultiheadAttention,): Counterpart(
        "MultiHeadAttention", "MultiHeadDotProductAttention", _attention
    ),
    (nn.LSTMCell,): Counterpart(
        "LSTMCell",
        "LSTMCell",
        _gates("ii if_ ig io", _GATED, _GATED),
        _gates("ii if ig io", _GATED, _GATED),
    ),
    (nn.GRUCell,): Counterpart(
        "GRUCell", "GRUCell", _fused, _gates("ir iz in", "hr hz hn", "ir iz in hn")
    ),
    (nn.RNNCell,): Counterpart("SimpleCell", "SimpleCell", _fused, _gates("i", "h", "i")),
}
_COUNTERPARTS = {kind: found for kinds, found in _LAYERS.items() for kind in kinds}


def _is_alike(module: Any) -> bool:
    """Whether Flax's layer can hold all that torch's holds."""
    if isinstance(module, nn.MultiheadAttention):
        return module._qkv_same_embed_dim and module.bias_k is None
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return module.groups == 1
    if isinstance(module, nn.modules.instancenorm._InstanceNorm):
        return not module.track_running_stats
    return True


class Skeleton(LeafBuilder):
    """Builds a face with a module's torch names over nested dicts of Flax values.

    Args:
        linen: Linen's names, else NNX's.
        values: nested dicts to read; without them, `values` becomes those that are made.
    """

    def __init__(self, linen: bool, values: dict | None = None) -> None:
        super().__init__()
        self.linen, self.given = linen, values is not None
        self.values: dict = {} if values is None else values
        self.kinds: dict[tuple, str] = {}

    def module(self, module: Any, path: tuple) -> Any:
        key = "module", id(module)
        if key not in self.made:
            fresh = self.made[key] = _Face(type(module).__name__)
            found = _COUNTERPARTS.get(type(module))
            if found is not None and _is_alike(module):
                shapes = self.linen and found.linen_shapes or found.shapes
                leaves = self.leaves(module, path, shapes(module))
                row = named_row(found.linen if self.linen else found.nnx, self.linen)
                self.layer(fresh, row, _DEFAULTS, leaves)
            else:
                self.members(fresh, module, path)
        return self.made[key]

    def leaves(self, module: Any, path: tuple, shapes: dict[str, tuple]) -> dict[str, Leaf]:
        like = next(iter((*module.parameters(), *module.buffers())), None)
        return {
            name: self.leaf(
                (*path, *name.split(".")), shape, like, name in _STATISTICS and "batch_stats"
            )
            for name, shape in shapes.items()
        }

    def members(self, fresh: Any, module: Any, path: tuple) -> None:
        for home, collection in ((module._parameters, None), (module._buffers, "buffers")):
            for name, tensor in home.items():
                if tensor is not None and (collection is None or name in module.state_dict()):
                    key = "tensor", id(tensor)
                    if key not in self.made:
                        leaf = self.leaf((*path, name), tuple(tensor.shape), tensor, collection)
                        self.made[key] = self.tensor((leaf,), SAME)
                    self.place(fresh, name, self.made[key])
        for name, child in module._modules.items():
            if child is not None:
                fresh.add_module(name, self.module(child, self.below(module, path, name)))

    def below(self, module: Any, path: tuple, name: str) -> tuple:
        """Where Flax keeps a child: as lists, dicts and `Sequential` of either flavour do."""
        sequence = isinstance(module, nn.Sequential)
        if not self.linen:
            key: Any = int(name) if name.isdigit() else name
            return (*path, "layers", key) if sequence else (*path, key)
        if sequence:
            return (*path, f"layers_{name}")
        if isinstance(module, _LISTS) and path:
            return (*path[:-1], f"{path[-1]}_{name}")
        return (*path, name)

    def leaf(self, path: tuple, shape: tuple, like: Any, collection: Any) -> Leaf:
        """The place of a value, in Linen below the collection that it belongs to."""
        collection = self.kinds[path] = collection or "params"
        place = self.values
        for key in (collection, *path)[:-1] if self.linen else path[:-1]:
            place = place[key] if self.given else place.setdefault(key, {})
        if not self.given:
            zeros = np.zeros(shape, like._cell.value.dtype)
            place[path[-1]] = moved(lambda x: x, zeros)
        elif path[-1] not in place:
            raise KeyError(f"from_flax: no value at {'.'.join(map(str, path))}")
        return Leaf(place, path[-1], collection)


class _Face(Holder):
    """Torch's names over Flax values; `kind` is the class of the module that they are laid out for."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.__dict__["kind"] = kind

    def _get_name(self) -> str:
        return self.kind


def state_of(module: Any, linen: bool) -> Any:
    """The values of a module as a new `nnx.State`, or as Linen variables."""
    skeleton = Skeleton(linen)
    face = skeleton.module(module, ())
    face.load_state_dict(known(module.state_dict(), face))
    return skeleton.values if linen else _nnx_state(skeleton)


def _nnx_state(skeleton: Skeleton) -> Any:
    library = _nnx.library()
    kinds = {"params": library.Param, "batch_stats": library.BatchStat}

    def variables(x: Any, path: tuple = ()) -> Any:
        if isinstance(x, dict):
            return {key: variables(one, (*path, key)) for key, one in x.items()}
        return kinds.get(skeleton.kinds[path], library.Variable)(x)

    return library.State(variables(skeleton.values))


def values_in(state: Any, into: Any) -> Any:
    """A `state_dict` for the module `into` of an `nnx.State` or of Linen variables."""
    linen = "params" in state and not _nnx.is_flax(state, "State")
    return Skeleton(linen, _arrays(state)).module(into, ()).state_dict()


def _arrays(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {key: _arrays(one) for key, one in x.items()}
    return _nnx.raw(x) if _nnx.is_variable(x) else x


def known(values: Any, target: Any) -> Any:
    """Leaves out counts of batches that the target does not keep."""
    names = target.state_dict()
    return {k: v for k, v in values.items() if k in names or not k.endswith("num_batches_tracked")}
