"""Checkpoints of any size on disk: opened lazily, loaded one tensor at a time, written whole."""

from converters.files._checkpoint import Checkpoint, TensorInfo
from converters.files._compare import Comparison, Difference, compare
from converters.files._convert import Conversion, Rule, convert, read_rules
from converters.files._loading import LoadReport, load_checkpoint
from converters.files._open import open_checkpoint
from converters.files._saving import save_checkpoint

__all__ = [
    "Checkpoint",
    "Comparison",
    "Conversion",
    "Difference",
    "LoadReport",
    "Rule",
    "TensorInfo",
    "compare",
    "convert",
    "load_checkpoint",
    "open_checkpoint",
    "read_rules",
    "save_checkpoint",
]
