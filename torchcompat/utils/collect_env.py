"""`python -m torchcompat.utils.collect_env`: what a report of a fault should say of the machine."""

from __future__ import annotations

import importlib.metadata
import platform
import sys

import jax

from torchcompat.version import __version__

__all__ = ["get_env_info", "get_pretty_env_info", "main"]
_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "optax", "safetensors", "torch", "torchvision")


def get_env_info() -> dict[str, str]:
    """Versions and devices, by name."""
    info = {
        "torchcompat": str(__version__),
        "Python": sys.version.replace("\n", " "),
        "Platform": platform.platform(),
        "Processor": platform.processor() or platform.machine(),
        "Devices": ", ".join(map(str, jax.devices())),
    }
    for name in _PACKAGES:
        try:
            info[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            info[name] = "not installed"
    return info


def get_pretty_env_info() -> str:
    """Versions and devices, a line each."""
    return "\n".join(f"{name}: {value}" for name, value in get_env_info().items())


def main() -> None:
    """Prints versions and devices."""
    print("Collecting environment information...")
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
