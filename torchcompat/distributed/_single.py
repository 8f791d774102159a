"""`torch.distributed` in one process: JAX spreads work over devices by sharding, in one program.

`is_available()` is False, so source that asks takes its single-process path; no group can be made.
"""

from __future__ import annotations

import enum
from datetime import timedelta
from typing import Any

from torchcompat._absent import fill

_WHY = "there is one process; JAX spreads one program over devices (jax.sharding)"
_UNINITIALIZED = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)
default_pg_timeout = timedelta(seconds=1800)


class ReduceOp(enum.Enum):
    """How values of several processes are combined."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


reduce_op = ReduceOp


class Backend(str):
    """The name of a communication library."""

    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    XCCL = "xccl"
    UCC = "ucc"
    MPI = "mpi"
    FAKE = "fake"

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError("Backend constructor parameter must be string-ish")
        return super().__new__(cls, name.lower())


class DebugLevel(enum.Enum):
    """How much is checked."""

    OFF = 0
    INFO = 1
    DETAIL = 2


class DistError(RuntimeError):
    """An error of communication."""


class DistBackendError(DistError):
    """An error of a communication library."""


class DistNetworkError(DistError):
    """An error of the network."""


class DistStoreError(DistError):
    """An error of a store."""


class _WorldMeta(type):
    @property
    def WORLD(cls) -> None:
        """None: there is no default group."""
        return None

    @WORLD.setter
    def WORLD(cls, group: Any) -> None:
        raise NotImplementedError(f"torch.distributed.group.WORLD: {_WHY}")


class group(metaclass=_WorldMeta):
    """The default group: `group.WORLD` is None."""


class GroupMember(metaclass=_WorldMeta):
    """Who is no member of a group."""

    NON_GROUP_MEMBER = -100


def is_available() -> bool:
    """False: processes do not communicate through torchcompat."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


is_gloo_available = is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available
is_torchelastic_launched = is_nccl_available


def is_backend_available(backend: str) -> bool:
    """False."""
    return False


def get_debug_level() -> DebugLevel:
    """OFF."""
    return DebugLevel.OFF


def get_pg_count() -> int:
    """0: there are no groups."""
    return 0


def supports_complex(reduceOp: ReduceOp) -> bool:
    """Whether complex numbers can be combined in this way."""
    return reduceOp not in (
        ReduceOp.MAX,
        ReduceOp.MIN,
        ReduceOp.PRODUCT,
        ReduceOp.BAND,
        ReduceOp.BOR,
        ReduceOp.BXOR,
    )


def init_process_group(*args: Any, **kwargs: Any) -> None:
    """Refused: use `jax.distributed.initialize`."""
    raise NotImplementedError(
        f"torch.distributed.init_process_group: {_WHY}; see jax.distributed.initialize"
    )


def _needs_group(name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        raise ValueError(_UNINITIALIZED)

    call.__name__ = call.__qualname__ = name
    call.__module__ = __name__
    call.__doc__ = "Raises torch's ValueError: there is no process group."
    return call


_OF_GROUPS = """all_gather all_gather_coalesced all_gather_into_tensor all_gather_object all_reduce
all_gather_single all_reduce_coalesced all_to_all all_to_all_single barrier batch_isend_irecv broadcast
broadcast_object_list destroy_process_group gather gather_object get_backend get_backend_config get_rank
get_global_rank get_group_rank get_process_group_ranks get_world_size irecv isend monitored_barrier
new_group new_subgroups new_subgroups_by_enumeration recv recv_object_list reduce reduce_scatter
reduce_scatter_single reduce_scatter_tensor scatter scatter_object_list send send_object_list shrink_group
split_group get_node_local_rank rendezvous _all_gather_base _reduce_scatter_base"""
for _name in _OF_GROUPS.split():
    globals()[_name] = _needs_group(_name)

fill(
    globals(),
    _WHY,
    classes="""ProcessGroup ProcessGroupGloo ProcessGroupNCCL Work Store TCPStore FileStore HashStore
    PrefixStore P2POp GradBucket Reducer Logger AllreduceOptions BroadcastOptions ReduceOptions
    AllToAllOptions BarrierOptions GatherOptions ScatterOptions ReduceScatterOptions BackendConfig
    BuiltinCommHookType""",
    functions="""set_debug_level set_debug_level_from_env register_rendezvous_handler breakpoint
    _broadcast_coalesced _register_comm_hook""",
)
__all__ = [name for name in globals() if not name.startswith("__") and name not in ("Any", "fill")]
