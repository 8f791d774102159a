"""Whether a trace runs, and the classes that take part in one: placeholders and proxyable classes."""

from __future__ import annotations

from typing import Any

from torchcompat.fx._compatibility import compatibility
from torchcompat.fx._patching import _find_proxy

_proxyable_classes: dict[type, None] = {}
_tracing = 0


def is_fx_tracing() -> bool:
    """Whether a symbolic trace is running."""
    return _tracing > 0


is_fx_symbolic_tracing = is_fx_tracing


class _Running:
    """Marks that a trace runs."""

    def __enter__(self) -> None:
        global _tracing
        _tracing += 1

    def __exit__(self, *error: Any) -> None:
        global _tracing
        _tracing -= 1


@compatibility(is_backward_compatible=True)
class ProxyableClassMeta(type):
    """Metaclass of classes whose construction from proxies is recorded as one call."""

    def __init__(cls, name: str, bases: tuple, attrs: dict) -> None:
        _proxyable_classes.setdefault(cls)
        super().__init__(name, bases, attrs)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        instance: Any = cls.__new__(cls, *args, **kwargs)  # type: ignore[call-overload]
        if not is_fx_tracing():
            instance.__init__(*args, **kwargs)
            return instance
        proxy = _find_proxy(args, kwargs)
        if proxy is not None:
            return proxy.tracer.create_proxy("call_function", cls, args, kwargs)
        instance.__init__(*args, **kwargs)
        return instance


@compatibility(is_backward_compatible=False)
class PHBase:
    """Marks, among `concrete_args`, what stays a placeholder."""

    def __repr__(self) -> str:
        return "PH"


PH = PHBase()


@compatibility(is_backward_compatible=False)
class PHWithMeta(PHBase):
    """A placeholder with a key that its node notes in `meta`."""

    def __init__(self, ph_key: str | None = None) -> None:
        self.ph_key = ph_key
