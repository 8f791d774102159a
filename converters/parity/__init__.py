"""Where two models part: torch's and ours, module by module, forward and backward."""

from converters.parity._compare import compare_models
from converters.parity._report import Divergence, ParityReport, Row

__all__ = ["Divergence", "ParityReport", "Row", "compare_models"]
