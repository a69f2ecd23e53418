"""Where a run comes from: commit, versions, terminal, user."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vlad.host.owners import user_name

PATIENCE_S = 10.0
PACKAGES = ("vlatui", "torch", "numpy", "peft", "safetensors", "tokenizers", "transformers")
ASK = """
import json, platform, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in `folder`, with "-dirty" where files differ from it; None outside of git."""
    return _answer("git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def package_versions(python: str) -> dict[str, str]:
    """Versions of what matters to a training, as installed for that Python; imports none of it."""
    if python == sys.executable:
        return {"python": sys.version.split()[0], **{name: found for name in PACKAGES if (found := _version(name))}}
    answer = _answer(python, "-c", ASK, *PACKAGES)
    return {} if answer is None else dict(json.loads(answer))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _answer(*argv: str) -> str | None:
    """What a program prints; None where it cannot."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def own_terminal() -> str | None:
    """The terminal from which this program runs, e.g. /dev/pts/3."""
    for handle in (0, 1, 2):
        try:
            return os.ttyname(handle)
        except OSError:
            continue
    return None


def own_user() -> str:
    return user_name(os.geteuid())
