"""`torch.nn.parallel._functions`: copies between devices, by name alone."""

from torchcompat._absent import fill

fill(
    globals(),
    "JAX spreads arrays over devices (jax.device_put with a sharding)",
    classes="Broadcast Gather ReduceAddCoalesced Scatter",
)
