"""`torch.utils.tensorboard`: cannot be imported, as in torch where tensorboard is not installed."""

raise ImportError(
    "torchcompat has no torch.utils.tensorboard; tensorboardX and flax.metrics.tensorboard write its files"
)
