"""`torch._C._profiler`: tracebacks of torch's own making."""

from __future__ import annotations

from torchcompat._absent import fill

fill(globals(), "use Python's traceback", functions="gather_traceback symbolize_tracebacks")
