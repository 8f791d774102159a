"""Compiled programs, counted and given back.

Each holds several memory maps, of which Linux gives a process 65,530: the compiler crashes where they
run out.
"""

import gc

import jax

MOST = 3000
_count = [0]


def _compiled(event: str, duration: float, **kwargs) -> None:
    _count[0] += event.endswith("backend_compile_duration")


jax.monitoring.register_event_duration_secs_listener(_compiled)


def forget(most: int = MOST) -> None:
    """Gives all programs back if there are more than `most` since they were last given back."""
    if _count[0] > most:
        jax.clear_caches()
        gc.collect()
        _count[0] = 0
