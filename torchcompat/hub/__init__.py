"""`torch.hub`: checkpoints from a URL, models from a repository."""

import re
from urllib.parse import urlparse

from torchcompat.hub._download import (
    HASH_REGEX,
    download_url_to_file,
    get_dir,
    load_state_dict_from_url,
    set_dir,
    tqdm,
)
from torchcompat.hub._download import torch_home as _get_torch_home
from torchcompat.hub._repositories import help, list, load

__all__ = [
    "HASH_REGEX",
    "_get_torch_home",
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "re",
    "set_dir",
    "tqdm",
    "urlparse",
]
