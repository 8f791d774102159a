"""`torch.utils.flop_counter`: counts by a dispatch mode. XLA counts here, for a compiled program."""

from __future__ import annotations

from torchcompat._absent import fill

fill(
    globals(),
    "use jax.jit(f).lower(*args).cost_analysis()",
    classes="FlopCounterMode",
    functions="register_flop_formula",
)
