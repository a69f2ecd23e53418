"""~/.config/vlad/config.yaml: what a user sets once for all runs. Fields have defaults; unknown ones are refused."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from vlad.policy.notices import Occasion
from vlad.records.files import RecordError
from vlad.records.foreign import ForeignSettings
from vlad.records.gpus import FREE_BELOW_BYTES


class GpuSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`free_below_mib`: a GPU of which others use less counts as free. `lock_folder`: where all users have leases.

    `lease_by_default`: `vlad start` without --gpus waits for a GPU for each process of the trainer.
    """

    free_below_mib: int = FREE_BELOW_BYTES // 2**20
    lock_folder: str | None = None
    lease_by_default: bool = True


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`urls` as apprise has them (https://github.com/caronc/apprise/wiki); `about` what to tell."""

    urls: tuple[str, ...] = ()
    about: tuple[Occasion, ...] = tuple(Occasion)


class AttachSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`detach_key` leaves `vlad attach`: ctrl- with a letter or one of [ \\ ] ^ _."""

    detach_key: str = "ctrl-]"


class UserConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `large_file_roots`: below which folders models, data and checkpoints may be (`vlad doctor`)."""

    gpus: GpuSettings = GpuSettings()
    notify: NotifySettings = NotifySettings()
    large_file_roots: tuple[str, ...] = ()
    foreign: ForeignSettings = ForeignSettings()
    attach: AttachSettings = AttachSettings()


def user_config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """`$XDG_CONFIG_HOME/vlad/config.yaml`, else `~/.config/vlad/config.yaml`."""
    base = environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "vlad" / "config.yaml"


def read_user_config(path: Path | None = None) -> UserConfig:
    """All defaults where there is no such file. Raises RecordError for one that is no YAML or has an unknown field."""
    path = path or user_config_path()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return UserConfig()
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}") from error
    return _decoded(path, content)


def _decoded(path: Path, content: bytes) -> UserConfig:
    import yaml  # 40 ms and some MB: only for those who have such a file

    try:
        document = yaml.safe_load(content)
        return msgspec.convert({} if document is None else document, UserConfig, strict=False)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise RecordError(f"{path}: {' '.join(str(error).split())}") from error
