"""`python -m vlatrain.tools TOOL …`."""

import sys

from vlatrain.tools.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
