"""Looks whether this Python can simulate LIBERO: packages, their versions, and libraries to render with."""

import ctypes.util
import json
import os
import sys
from importlib.util import find_spec

from vlatrain.sim.libero_versions import refusal, versions

SUITES = ("libero_spatial", "libero_object", "libero_goal", "libero_10", "libero_90")
LIBRARIES = {"egl": ("EGL", "libegl1 libgl1 libgles2 libegl-mesa0"), "osmesa": ("OSMesa", "libosmesa6")}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def check() -> int:
    """Prints what there is as JSON: versions, GL, how JPEG is done, tasks of each suite; or why there is nothing."""
    found = versions()
    reason = refusal(found.get("mujoco")) or missing_package() or missing_library()
    if reason:
        print(json.dumps({"refused": reason, "versions": found}))
        return 2
    prepare_rendering()
    print(json.dumps({"versions": found, "gl": os.environ["MUJOCO_GL"], "jpeg": jpeg_mark(), **tasks()}))
    return 0


def missing_package() -> str | None:
    """Why LIBERO cannot be imported, as far as that shows without importing it."""
    absent = [name for name in ("libero", "robosuite", "bddl") if find_spec(name) is None]
    return (
        f"LIBERO is not installed here: no package {', '.join(absent)}; `make libero` installs it" if absent else None
    )


def chosen_gl() -> str | None:
    """How to render: as MUJOCO_GL says, else with EGL (the GPU, or Mesa's software), else with OSMesa."""
    if asked := os.environ.get("MUJOCO_GL"):
        return asked
    return next((gl for gl, (library, _) in LIBRARIES.items() if ctypes.util.find_library(library)), None)


def missing_library() -> str | None:
    """Which system packages rendering lacks."""
    gl = chosen_gl()
    if gl is None:
        return f"no library to render with: apt-get install {LIBRARIES['egl'][1]}"
    library, packages = LIBRARIES.get(gl, ("", ""))
    if library and ctypes.util.find_library(library) is None:
        return f"MUJOCO_GL={gl}, but lib{library} is not installed: apt-get install {packages}"
    return None


def prepare_rendering() -> None:
    """Sets what MuJoCo and robosuite read when they are imported."""
    gl = chosen_gl() or "egl"
    os.environ["MUJOCO_GL"] = os.environ["PYOPENGL_PLATFORM"] = gl
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # robosuite takes it for numbers of EGL devices
    os.environ.setdefault("LIBERO_CONFIG_PATH", "/nonexistent")  # upstream asks on stdin where it finds no file
    for name in THREADS:
        os.environ.setdefault(name, "1")


def jpeg_mark() -> str | None:
    """What tells whether its JPEG pass is the trainer's own, None where it has none."""
    try:
        from vlatrain.data.jpeg import pass_mark
    except ImportError:
        return None
    return pass_mark()


def tasks() -> dict[str, dict[str, list[str]]]:
    """What the robot is told, task by task, of every suite that is there, and what the tasks are called."""
    from contextlib import redirect_stdout

    with redirect_stdout(sys.stderr):
        from libero.libero.benchmark import get_benchmark

        suites = {name: get_benchmark(name)().tasks for name in SUITES}
    return {
        "suites": {name: [task.language for task in found] for name, found in suites.items()},
        "names": {name: [task.name for task in found] for name, found in suites.items()},
    }
