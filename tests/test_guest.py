"""A good guest: no torch, no global flag, nothing that JAX did before the import is changed."""

import os
import subprocess
import sys
import textwrap

REFUSE_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision"):
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
"""

# Warnings are errors, but for those that the oldest Flax gives at its own import.
STRICT = ["-W", "error", "-W", "ignore::DeprecationWarning:flax.nnx.variablelib"]


def run(program: str, **env: str) -> str:
    """What the program prints, run in a process of its own that cannot import torch."""
    done = subprocess.run(
        [sys.executable, *STRICT, "-c", REFUSE_TORCH + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_changes_no_setting():
    printed = run("""
        import jax, jax.numpy as jnp
        names = [n for n in jax.config.values if hasattr(jax.config, n)]
        before = {name: getattr(jax.config, name) for name in names}
        kinds = jnp.zeros(2).dtype, jnp.arange(2).dtype
        import torchcompat, converters
        after = {name: getattr(jax.config, name) for name in names}
        assert before == after, [n for n in before if before[n] != after[n]]
        assert kinds == (jnp.zeros(2).dtype, jnp.arange(2).dtype)
        print(jnp.zeros(2).dtype, jnp.arange(2).dtype, jax.config.jax_enable_x64)
    """)
    assert printed == "float32 int32 False"


def test_import_starts_no_backend():
    """`XLA_FLAGS`, platforms and `jax.distributed` can be set after it."""
    printed = run("""
        import os
        import torchcompat, converters
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=3"
        import jax
        print(jax.local_device_count("cpu"))
    """)
    assert printed == "3"


def test_the_whole_job_without_torch(tmp_path):
    printed = run(
        """
        import os
        import jax.numpy as jnp
        import numpy as np
        import converters
        import torchcompat as torch
        from torchcompat import nn

        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                              nn.Linear(4 * 36, 5), nn.Dropout(0.5))
        x = torch.randn(2, 3, 8, 8)
        fast = torch.compile(model)
        fast(x)                                           # training mode: statistics, dropout
        model.eval()
        path = os.environ["FOLDER"] + "/model.pth"
        torch.save(model.state_dict(), path)
        again = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                              nn.Linear(4 * 36, 5), nn.Dropout(0.5)).eval()
        print(again.load_state_dict(torch.load(path)))
        np.testing.assert_allclose(np.asarray(fast(x)), np.asarray(again(x)), rtol=1e-5, atol=1e-6)
        assert not any(name.partition(".")[0] == "torch" for name in __import__("sys").modules)
        assert jnp.zeros(2).dtype == "float32"
        """,
        FOLDER=str(tmp_path),
    )
    assert printed == "<All keys matched successfully>"
