"""The Mersenne Twister of torch's CPU generators, with torch's seeding rules and state bytes."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np

from torchcompat._random._key import KeyCell

DEFAULT_SEED = 67280421310721

_WORDS = 624
# The layout of torch's CPU state. Its words are 64 bits wide and hold 32; torch ignores the rest.
_LAYOUT = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("words", "<u4", (_WORDS, 2)),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_valid", "<i4"),
        ("padding", "<i4"),
        ("float_normal", "<f4"),
        ("float_valid", "<u4"),
    ]
)


class Generator:
    """A stream of random numbers: torch's on the host, a JAX key under tracing.

    The host stream is torch's CPU stream on every device (torch's CUDA generator differs).

    Args:
        device: the device that `.device` reports.

    Attributes:
        key_cell: the JAX key that traced code draws from. `manual_seed` seeds it as well, and
            `get_state` keeps it in bits that torch leaves unused.
    """

    # A floor that knows more types says here what `get_state` and `.device` give out.
    _public_state = staticmethod(lambda state: state)
    _public_device = staticmethod(lambda device: device)

    def __init__(self, device: Any = "cpu") -> None:
        self._device = _checked_device(device)
        self._public_device(self._device)
        self._engine = np.random.RandomState(0)
        self.lock = threading.RLock()
        self.key_cell = KeyCell()
        self._restart(DEFAULT_SEED)

    # -- seeds -------------------------------------------------------------------------------------

    def manual_seed(self, seed: int) -> Generator:
        """Restarts the stream from `seed`; a negative one counts back from 2**64.

        Raises:
            RuntimeError: `seed` is not an `int`.
            ValueError: `seed` is outside of [-2**63, 2**64).
        """
        if isinstance(seed, np.integer):
            raise TypeError("an integer is required")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._restart(seed % 2**64)
        return self

    def seed(self) -> int:
        """Restarts the stream from a seed that the operating system gives, and returns it."""
        self._restart(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the stream was last started from."""
        return self._seed

    def _restart(self, seed: int) -> None:
        with self.lock:
            self._seed = seed
            self._engine.seed(seed & 0xFFFFFFFF)
            self._untouched = True
            self.next_normal: float | None = None
            self._next_float_normal: np.float32 | None = None
            self.key_cell.seed(seed)

    # -- draws -------------------------------------------------------------------------------------

    def random32(self, count: int) -> np.ndarray:
        """The next `count` outputs of the twister, uint32."""
        if count:
            self._untouched = False
        return self._engine.randint(0, 2**32, count, dtype=np.uint32)

    def random64(self, count: int) -> np.ndarray:
        """`count` numbers of 64 bits, uint64, each of two outputs, the high half first."""
        pairs = self.random32(2 * count).reshape(-1, 2)
        return np.ascontiguousarray(pairs[:, ::-1]).view(np.uint64)[:, 0]

    def next_key(self) -> Any:
        """A fresh JAX key; the one in `key_cell` moves on.

        Raises:
            RuntimeError: JAX is staging out a program that does not carry `key_cell`.
        """
        return self.key_cell.next_key()

    # -- state -------------------------------------------------------------------------------------

    def get_state(self) -> Any:
        """The state as 5056 uint8: the bytes that torch writes, unless the JAX key has moved."""
        with self.lock:
            state = self._fields()
            state["words"][:3, 1] = self.key_cell.pack(self._seed)
        return self._public_state(np.frombuffer(state.tobytes(), np.uint8).copy())

    def set_state(self, new_state: Any) -> Generator:
        """Continues from a state that `get_state`, of torch or of this class, has returned.

        Raises:
            TypeError: `new_state` is no array of bytes.
            RuntimeError: it is no state.
        """
        state = _parsed(new_state)
        self.restore((state, KeyCell.unpack(state["words"][:3, 1], int(state["seed"]))))
        return self

    def snapshot(self) -> tuple:
        """The state for `restore`; unlike `get_state` it may be taken while JAX is tracing."""
        with self.lock:
            return self._fields(), self.key_cell.value

    def restore(self, snapshot: tuple) -> None:
        """Returns to a state that `snapshot` has given."""
        state, key = snapshot
        words = np.ascontiguousarray(state["words"][:, 0])
        position = _WORDS if state["left"] == 1 else int(state["next"])
        with self.lock:
            self._seed = int(state["seed"])
            self._engine.set_state(
                {"bit_generator": "MT19937", "state": {"key": words, "pos": position}}
            )
            self._untouched = bool(state["left"] == 1 and state["next"] == 0)
            self.next_normal = float(state["normal_y"]) if state["normal_valid"] else None
            self._next_float_normal = state["float_normal"] if state["float_valid"] & 255 else None
            self.key_cell.value = key

    def _fields(self) -> np.ndarray:
        state = np.zeros((), _LAYOUT)
        twister: Any = self._engine.get_state(legacy=False)
        words, position = twister["state"]["key"], twister["state"]["pos"]
        state["seed"], state["seeded"] = self._seed, 1
        state["left"] = 1 if self._untouched else _WORDS + 1 - position
        state["next"] = 0 if self._untouched else position
        state["words"][:, 0] = words
        if self.next_normal is not None:
            state["normal_y"], state["normal_valid"] = self.next_normal, 1
        if self._next_float_normal is not None:
            state["float_normal"], state["float_valid"] = self._next_float_normal, 1
        return state

    def clone_state(self) -> Generator:
        """A new generator that continues from the same state."""
        return type(self)(self._device).set_state(self.get_state())

    def graphsafe_get_state(self) -> Generator:
        raise NotImplementedError("graphsafe_get_state is not supported in this Generator")

    def graphsafe_set_state(self, state: Generator) -> Generator:
        raise NotImplementedError("graphsafe_set_state is not supported in this Generator")

    def get_offset(self) -> int:
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> Generator:
        raise RuntimeError("CPU Generator does not use offset")

    @property
    def device(self) -> Any:
        """The device given at construction."""
        return self._public_device(self._device)

    def __getstate__(self) -> tuple:
        return self._seed, None, self.get_state()

    def __setstate__(self, state: tuple) -> None:
        self.set_state(state[2])

    def __reduce__(self) -> tuple:
        return type(self), (self.device,), self.__getstate__()


def _checked_device(device: Any) -> Any:
    kind = str(getattr(device, "type", device))
    if kind == "meta":
        raise RuntimeError("META device type not an accelerator.")
    return "cpu" if device is None or kind.partition(":")[0] == "cpu" else device


def _parsed(new_state: Any) -> np.ndarray:
    """The fields of a state, checked as torch checks them."""
    if not hasattr(new_state, "__array__"):
        raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
    raw = np.asarray(new_state)
    if raw.dtype != np.uint8:
        raise TypeError("RNG state must be a torch.ByteTensor")
    if raw.size != _LAYOUT.itemsize:
        raise RuntimeError(
            f"Expected a CPUGeneratorImplState of size {_LAYOUT.itemsize} "
            f"but found the input RNG state size to be {raw.size}"
        )
    state = np.frombuffer(raw.tobytes(), _LAYOUT)[0]
    left, position = int(state["left"]), int(state["next"])
    # Any position will do just before the words are renewed; else it must agree with `left`.
    agree = left == 1 and position <= _WORDS or left + position == _WORDS + 1
    if not (state["seeded"] and 0 < left <= _WORDS and agree):
        raise RuntimeError("Invalid mt19937 state")
    return state
