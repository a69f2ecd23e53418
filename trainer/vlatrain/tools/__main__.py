"""`python -m vlatrain.tools TOOL …`."""

import os
import sys

from vlatrain.__main__ import OTHERS
from vlatrain.tools.cli import main

if __name__ == "__main__":
    os.umask(OTHERS)
    sys.exit(main(sys.argv[1:]))
