"""`SyncBatchNorm`: the statistics of all devices inside `shard_map`, a `BatchNorm` elsewhere.

The devices are CPU devices of a second process, since their number is fixed when JAX starts.
"""

import os
import subprocess
import sys

import torch

from tests._parity import assert_close, to_ours
from torchcompat import nn

SHARDED = """
import jax, numpy as np, torchcompat as tc
from jax import numpy as jnp
from jax.sharding import Mesh, PartitionSpec as P
from torchcompat import nn
from torchcompat.func import functional_call

mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
x = jnp.asarray(np.random.RandomState(0).randn(8, 3, 5).astype("f") * 2 + 1)
sync, plain = nn.SyncBatchNorm(3), nn.BatchNorm1d(3)

def run(layer, x):
    state = {k: v._read() for k, v in layer.state_dict().items()}
    return functional_call(layer, state, (x,))

mapped = jax.shard_map(lambda x: run(sync, x), mesh=mesh, in_specs=P("data"), out_specs=P("data"))
np.testing.assert_allclose(mapped(x), run(plain, x), rtol=1e-5, atol=1e-5)
weight = jnp.asarray(np.random.RandomState(1).randn(*x.shape).astype("f"))
ours = jax.grad(lambda x: (mapped(x) * weight).sum())(x)
want = jax.grad(lambda x: (run(plain, x) * weight).sum())(x)
np.testing.assert_allclose(ours, want, rtol=1e-4, atol=1e-4)
local = jax.shard_map(
    lambda x: run(nn.BatchNorm1d(3), x), mesh=mesh, in_specs=P("data"), out_specs=P("data")
)
assert not np.allclose(local(x), mapped(x), atol=1e-3)
print("sharded ok")
"""


def test_mean_over_mapped_devices():
    env = dict(
        os.environ, XLA_FLAGS="--xla_force_host_platform_device_count=4", JAX_PLATFORMS="cpu"
    )
    done = subprocess.run(
        [sys.executable, "-c", SHARDED], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "sharded ok", done.stderr[-2000:]


def test_on_one_device_as_torch():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 5)
    theirs, ours = torch.nn.SyncBatchNorm(3), nn.SyncBatchNorm(3)
    assert repr(ours) == repr(theirs)
    assert_close(ours(to_ours(x)), theirs(x))
    for key, value in theirs.state_dict().items():
        assert_close(ours.state_dict()[key], value, key)


def test_conversion_keeps_state():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4), nn.InstanceNorm2d(4))
    )
    weight = model[1][0].weight
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(model, "data")
    assert converted is model
    assert type(model[1][0]) is nn.SyncBatchNorm and type(model[1][1]) is nn.InstanceNorm2d
    assert model[1][0].weight is weight and model[1][0].process_group == "data"
