"""The memory cgroup of this process: whether the kernel has killed for lack of memory in it."""

from pathlib import Path

CGROUP = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def oom_kills(cgroup: Path = CGROUP, root: Path = ROOT) -> int | None:
    """How often so far, None where the host does not tell. Cgroup version 2, or 1 since Linux 4.13."""
    for folder, file in _places(cgroup, root):
        try:
            lines = (root / folder / file).read_text().splitlines()
        except OSError:
            continue
        counts = [line.split()[1] for line in lines if line.startswith("oom_kill ")]
        if counts:
            return int(counts[0])
    return None


def _places(cgroup: Path, root: Path) -> list[tuple[Path, str]]:
    """Where the counter may be: the cgroup as the kernel names it, or the root of what a container sees of it."""
    try:
        entries = [line.split(":", 2) for line in cgroup.read_text().splitlines()]
    except OSError:
        return []
    places = []
    for _, controllers, path in entries:
        if controllers == "":
            places += [(root / path.lstrip("/"), "memory.events"), (root, "memory.events")]
        elif controllers == "memory":
            memory = root / "memory"
            places += [(memory / path.lstrip("/"), "memory.oom_control"), (memory, "memory.oom_control")]
    return places
