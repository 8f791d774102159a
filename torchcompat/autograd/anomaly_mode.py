"""Anomaly detection: errors in backward name the forward op, and NaN is an error."""

from __future__ import annotations

import warnings

from torchcompat._tensor._anomaly import Anomaly
from torchcompat._tensor._state import state

__all__ = ["detect_anomaly", "set_detect_anomaly"]


class set_detect_anomaly:
    """Turns anomaly detection on or off; as a context manager restores it on exit.

    Args:
        mode: on or off.
        check_nan: raise where a derivative has a NaN.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.before = state.anomaly
        state.anomaly = Anomaly(check_nan) if mode else None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        state.anomaly = self.before


class detect_anomaly:
    """Anomaly detection inside of a `with` block.

    Args:
        check_nan: raise where a derivative has a NaN.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only "
            "be enabled for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self.before, state.anomaly = state.anomaly, Anomaly(self.check_nan)

    def __exit__(self, *exc: object) -> None:
        state.anomaly = self.before
