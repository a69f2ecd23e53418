"""Files that ship with the package: the configurations."""

from pathlib import Path


def shipped_configs() -> Path:
    """The folder `configs/`: inside the installed package, or beside the sources in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent.parent / "configs"
