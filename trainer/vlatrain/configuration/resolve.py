"""One configuration out of many: command line > environment > profile > YAML > default, each value with its origin."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from vlatrain.configuration.coerce import coerce, known_field, takes_list
from vlatrain.configuration.file import Entry, read_entries, read_text
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import placed
from vlatrain.configuration.profiles import NO_PROFILE, Profile, load_profile, profile_folders
from vlatrain.discovery import NEWEST, newest, nothing_left, what_is_gone_on_from, what_is_ignored, why_chosen
from vlatrain.errors import ConfigError

COMMAND_LINE = "command line"
DEFAULT = "default"
VARIABLES = {
    "SERVER_PROFILE": "server_profile",
    "BATCH_SIZE": "batch_size",
    "GRAD_ACCUM": "grad_accumulation_steps",
    "PROBE_BATCH_SIZE": "probe_batch_size",
    "THERMO_UPDATE": "thermostat_update_interval",
    "THERMO_WARMUP": "thermostat_warmup_steps",
    "RESUME_ADAPTER": "resume_adapter_dir",
    "RESUME_STEP": "resume_global_step",
    "VLAD_PROJECT_ROOT": "project_root",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it came from."""

    value: Any
    origin: str


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A checked configuration with absolute paths, the origin of every field, and what the user should know."""

    config: FinetuneConfig
    origins: dict[str, str]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    nproc: int | None = None
    nproc_origin: str = DEFAULT


def resolve(config_file: Path | None, overrides: Mapping[str, str], environ: Mapping[str, str]) -> Resolved:
    """Resolves a YAML configuration (or a resolved one in JSON, which is final but for the command line).

    `overrides` are the command line's fields as text. Raises ConfigError.
    """
    given = {known_field(name): text for name, text in overrides.items()}
    command_line = {name: Setting(coerce(name, text), COMMAND_LINE) for name, text in given.items()}
    if config_file is not None and config_file.suffix == ".json":
        return _from_saved(config_file, command_line)
    file = _settings(read_entries(config_file)) if config_file else {}
    environment = _environment(environ)
    above = {**environment, **command_line}
    profile = _profile({**file, **above}, config_file)
    origin = f"profile {profile.name}"
    ours = {name: Setting(setting.value, origin) for name, setting in _settings(profile.entries).items()}
    checked = _checked(_layered(file, ours, environment, command_line))
    return replace(checked, warnings=_overruled(file, ours, above), nproc=profile.nproc, nproc_origin=origin)


def _settings(entries: Mapping[str, Entry]) -> dict[str, Setting]:
    return {_field_at(name, entry): Setting(_coerce_at(name, entry), entry.place) for name, entry in entries.items()}


def _field_at(name: str, entry: Entry) -> str:
    try:
        return known_field(name)
    except ConfigError as error:
        raise ConfigError(f"{entry.place}: {error}") from None


def _coerce_at(name: str, entry: Entry) -> Any:
    field = _field_at(name, entry)
    if entry.is_list and not takes_list(field):
        raise ConfigError(f"{entry.place}: {field} takes one value, not the list {entry.text}", field)
    try:
        return coerce(field, entry.text)
    except ConfigError as error:
        raise ConfigError(f"{entry.place}: {str(error).removeprefix('--')}", field) from None


def _environment(environ: Mapping[str, str]) -> dict[str, Setting]:
    """What the original launcher's variables say; an empty one says nothing."""
    settings = {}
    for variable, name in VARIABLES.items():
        if text := environ.get(variable, "").strip():
            try:
                settings[name] = Setting(coerce(name, text), f"environment {variable}")
            except ConfigError as error:
                raise ConfigError(f"environment {variable}: {str(error).removeprefix('--')}", name) from None
    return settings


def _profile(settings: Mapping[str, Setting], config_file: Path | None) -> Profile:
    chosen = settings.get("server_profile")
    if chosen is None or chosen.value is None:
        return NO_PROFILE
    root = settings.get("project_root")
    project_root = Path(root.value) if root and root.value else Path.cwd()
    return load_profile(chosen.value, profile_folders(config_file, project_root))


def _overruled(
    file: Mapping[str, Setting], profile: Mapping[str, Setting], above: Mapping[str, Setting]
) -> tuple[str, ...]:
    """A warning for each explicit value of the file that the profile replaces by another."""
    return tuple(
        f"{setting.origin} sets {name} to {setting.value}, over {file[name].value} of {file[name].origin}"
        for name, setting in profile.items()
        if name in file and name not in above and file[name].value != setting.value
    )


def _layered(*layers: Mapping[str, Setting]) -> dict[str, Setting]:
    """Later layers over earlier ones. A step belongs to its adapter: whoever names another adapter drops the step."""
    settings: dict[str, Setting] = {}
    for layer in layers:
        if "resume_adapter_dir" in layer:
            settings.pop("resume_global_step", None)
        settings.update(layer)
    return settings


def _from_saved(path: Path, command_line: Mapping[str, Setting]) -> Resolved:
    """What `--print-config --json` printed, or a run's spec.json keeps: final but for the command line."""
    try:
        saved = json.loads(read_text(path))
        texts = {name: (_as_text(one["value"]), str(one["origin"])) for name, one in saved["config"].items()}
        nproc = int(saved["nproc"]) if saved.get("nproc") is not None else None
    except (ValueError, LookupError, TypeError, AttributeError):
        hint = "`python -m vlatrain --print-config --json` prints one"
        raise ConfigError(f"{path} is no resolved configuration; {hint}") from None
    settings = {
        known_field(name): Setting(coerce(known_field(name), text), told) for name, (text, told) in texts.items()
    }
    checked = _checked(_layered(settings, command_line))
    return replace(checked, nproc=nproc, nproc_origin=str(path))


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _checked(settings: Mapping[str, Setting]) -> Resolved:
    values = {name: setting.value for name, setting in settings.items()}
    try:
        config = FinetuneConfig(**values)
    except ConfigError as error:
        raise ConfigError(str(error) + _told_by(error.fields, settings), *error.fields) from None
    origins = {one.name: settings[one.name].origin if one.name in settings else DEFAULT for one in fields(config)}
    return _resumed(Resolved(config=placed(config, Path.cwd()), origins=origins), asked=config.resume_adapter_dir)


def _resumed(resolved: Resolved, asked: Path | None) -> Resolved:
    """With the newest adapter found where that is asked for, and with what there is to say about it."""
    config, origin = resolved.config, resolved.origins["resume_adapter_dir"]
    if asked == NEWEST:
        found = replace(config, resume_adapter_dir=newest(config).path)
        origins = {**resolved.origins, "resume_adapter_dir": f"{origin} ({NEWEST})"}
        return replace(resolved, config=found, origins=origins, notes=(*why_chosen(config), *nothing_left(found)))
    if asked is not None:
        return replace(resolved, notes=(*what_is_gone_on_from(config), *nothing_left(config)))
    is_from_scratch = asked is None and config.resume_full_model_dir is None
    return replace(resolved, notes=what_is_ignored(config) if is_from_scratch and origin == DEFAULT else ())


def _told_by(names: tuple[str, ...], settings: Mapping[str, Setting]) -> str:
    """Where the refused values came from, in brackets."""
    told = [f"{name}: {settings[name].origin}" for name in names if name in settings]
    return f" [{', '.join(told)}]" if told else ""
