"""`autograd.profiler_util`: torch's tables of measured events. JAX's profiler measures here."""

from __future__ import annotations

from torchcompat._absent import fill

fill(
    globals(),
    "jax.profiler measures here",
    classes="EventList FormattedTimesMixin FunctionEvent FunctionEventAvg Interval Kernel MemRecordsAcc",
    functions="_format_memory _format_time _format_time_share",
)
