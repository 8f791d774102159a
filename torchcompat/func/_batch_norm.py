"""Batch norm under `vmap`: without running statistics, which one example cannot update."""

from __future__ import annotations

from torchcompat.nn.modules.batchnorm import _BatchNorm
from torchcompat.nn.modules.module import Module


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Makes every batch norm under `root` use the statistics of its batch; returns `root`."""
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None
            module.track_running_stats = False
    return root
