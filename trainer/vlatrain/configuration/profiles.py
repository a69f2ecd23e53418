"""Server profiles: YAML files that say how many processes a machine runs and which fields it wants."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from vlad.records.shipped import shipped_configs

from vlatrain.configuration.file import Entry, compose, mapping_items, place, read_mapping
from vlatrain.errors import ConfigError

NOT_OF_A_SERVER = frozenset({"server_profile", "project_root", "resume_adapter_dir", "resume_global_step"})


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a server profile says."""

    name: str
    nproc: int | None = None
    entries: dict[str, Entry] = field(default_factory=dict)


NO_PROFILE = Profile(name="none")


def profile_folders(config_file: Path | None, project_root: Path) -> list[Path]:
    """Where profiles are looked for, nearest first: beside the configuration, in the project, shipped."""
    beside = [config_file.parent / "profiles"] if config_file else []
    return [*beside, project_root / "configs" / "profiles", shipped_configs() / "profiles"]


def load_profile(name: str, folders: list[Path]) -> Profile:
    """The profile of that name, or of that YAML file. Raises ConfigError with the names there are."""
    if name.endswith((".yaml", ".yml")):
        return read_profile(Path(name).expanduser(), Path(name).stem)
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return read_profile(folder / f"{name}.yaml", name)
    known = sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ConfigError(f"--server_profile {name}: no such profile; {hint}there are {', '.join(known)}", "server_profile")


def read_profile(path: Path, name: str) -> Profile:
    """Reads a file of the keys `nproc` and `config`. Raises ConfigError with file and line."""
    nproc: int | None = None
    entries: dict[str, Entry] = {}
    for key, node in mapping_items(compose(path), path):
        if key == "nproc":
            nproc = _nproc(str(node.value), place(node, path))
        elif key == "config":
            entries = read_mapping(node, path)
        else:
            raise ConfigError(f"{place(node, path)}: a profile has the keys nproc and config, not {key}")
    for key, entry in entries.items():
        if key in NOT_OF_A_SERVER:
            raise ConfigError(f"{entry.place}: {key} is nothing a server decides; set it in the configuration")
    return Profile(name=name, nproc=nproc, entries=entries)


def _nproc(text: str, where: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"{where}: nproc {text}: it must be a whole number of at least 1")
    return int(text)
