"""Errors of torch's compiler, which third parties catch."""


class TorchDynamoException(RuntimeError):
    """An error of torch's compiler."""


class InternalTorchDynamoError(TorchDynamoException):
    """An error inside of torch's compiler."""


class Unsupported(TorchDynamoException):
    """Something that torch's compiler cannot trace."""


class BackendCompilerFailed(TorchDynamoException):
    """A backend that failed."""


class RecompileError(TorchDynamoException):
    """A program that had to be made anew where that was forbidden."""


class UserError(Unsupported):
    """A mistake in the use of torch's compiler."""
