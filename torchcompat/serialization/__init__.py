"""Reading and writing torch's checkpoint files, and safetensors, without torch."""

from torchcompat.serialization._allowed import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)
from torchcompat.serialization._load import get_unsafe_globals_in_checkpoint, load
from torchcompat.serialization._location import MAP_LOCATION, default_restore_location, location_tag
from torchcompat.serialization._options import (
    LoadEndianness,
    SourceChangeWarning,
    check_module_version_greater_or_equal,
    get_crc32_options,
    get_default_load_endianness,
    set_crc32_options,
    set_default_load_endianness,
    skip_data,
)
from torchcompat.serialization._save import DEFAULT_PROTOCOL, save
from torchcompat.serialization._storage import TypedStorage, UntypedStorage

__all__ = [
    "DEFAULT_PROTOCOL",
    "LoadEndianness",
    "MAP_LOCATION",
    "SourceChangeWarning",
    "TypedStorage",
    "UntypedStorage",
    "add_safe_globals",
    "check_module_version_greater_or_equal",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_default_load_endianness",
    "get_safe_globals",
    "get_unsafe_globals_in_checkpoint",
    "load",
    "location_tag",
    "safe_globals",
    "save",
    "set_crc32_options",
    "set_default_load_endianness",
    "skip_data",
]
