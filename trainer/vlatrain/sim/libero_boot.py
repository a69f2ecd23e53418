"""The program of a LIBERO worker, started by its path in the Python that has LIBERO; `--check` only looks around.

That Python need not have this package: a package of the same name is made here from the folder of this file.
"""

import sys
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != HERE]  # libero.py here is not LIBERO
package = types.ModuleType("vlatrain")
package.__path__ = [str(HERE.parent)]
sys.modules["vlatrain"] = package


def main() -> int:
    """The exit status; 2 where this Python cannot simulate."""
    from vlatrain.sim.libero_check import check, prepare_rendering
    from vlatrain.sim.worker import run

    if sys.argv[1:] == ["--check"]:
        return check()
    prepare_rendering()
    from vlatrain.sim.libero import make_simulation

    return run(make_simulation)


if __name__ == "__main__":
    sys.exit(main())
