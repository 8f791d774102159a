"""Third-party torch source, unmodified, on torchcompat.

    from torchcompat.ported.torchvision.models import resnet50

loads a second copy of the installed package, from its own files, under the name
`torchcompat.ported.torchvision`; in that copy `import torch` means torchcompat. The package itself,
and torch if it is installed, stay as they are: both copies can live in one process.

Whatever a ported package imports is ported too if its distribution requires torch (or offers it as
the extra `torch`), or if it is loose source that no distribution owns; everything else stays native.
"""

from torchcompat.ported import _finder

_finder.install()
