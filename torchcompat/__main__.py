"""`python -m torchcompat doctor PATH_OR_PACKAGE`."""

import sys

from torchcompat._doctor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
