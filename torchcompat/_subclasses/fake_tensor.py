"""`torch._subclasses.fake_tensor`: names for imports; tensors on "meta" have shapes and no values."""

from torchcompat._absent import fill


class UnsupportedFakeTensorException(RuntimeError):
    """Something that torch's fake tensors cannot do."""


class DynamicOutputShapeException(RuntimeError):
    """A shape that depends on values."""


class DataDependentOutputException(RuntimeError):
    """A value that only running can give."""


def is_fake(x: object) -> bool:
    """False: no tensor is fake."""
    return False


def unset_fake_temporarily() -> None:
    """Refused: there is no fake mode to leave."""
    raise NotImplementedError("unset_fake_temporarily: there is no fake mode")


fill(
    globals(),
    'use tensors on the device "meta"',
    classes="FakeTensor FakeTensorMode FakeTensorConverter FakeCopyMode",
)
