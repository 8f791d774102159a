"""Errors of TorchScript's frontend, which third parties catch."""


class FrontendError(Exception):
    """Source that TorchScript cannot parse."""


class NotSupportedError(FrontendError):
    """Source that TorchScript does not support."""


class UnsupportedNodeError(NotSupportedError):
    """A syntax that TorchScript does not support."""
