"""`python -m converters._cli`: the command where no script is installed."""

from converters._cli._main import entry

if __name__ == "__main__":
    entry()
