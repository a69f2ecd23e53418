"""The command line of `python -m vlatrain`, and its help."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from vlatrain.configuration.coerce import known_field, type_in_words
from vlatrain.configuration.finetune import TOPICS
from vlatrain.errors import ConfigError

USAGE = """\
usage: torchrun --standalone --nproc-per-node N -m vlatrain [CONFIG] [--FIELD VALUE]...
       python -m vlatrain --print-config [--json] [--check] [--nproc N] [CONFIG] [--FIELD VALUE]...

Trains a LoRA adapter. CONFIG is a YAML file of the fields below, or a resolved configuration in JSON.
Precedence: command line > environment > server profile > CONFIG > default.

  --resume X       go on from the adapter (folder) X, or from the `newest` of this run's name
  --from-scratch   go on from nothing, whatever the configuration or RESUME_ADAPTER says
  --print-config   print every value with where it came from, and train nothing
  --json           print it as JSON
  --check          also check that the files exist and that the machine can run it
  --nproc N        processes to check for; auto: as the profile says, else one a GPU, else 1
  --help           print this
"""
FROM_SCRATCH = "from-scratch"
NO_VALUE = {"print-config", "json", "check", "help", FROM_SCRATCH}
ALIASES = {"resume": "resume_adapter_dir"}
RESUME_FIELDS = ("resume_adapter_dir", "resume_full_model_dir")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What was asked for."""

    config_file: Path | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    nproc: int | None = None
    switches: frozenset[str] = frozenset()


def parse_arguments(words: Sequence[str]) -> Arguments:
    """Reads `CONFIG --field value --field=value`; of a field given twice the last counts. Raises ConfigError."""
    positional: list[str] = []
    options: dict[str, str] = {}
    switches: set[str] = set()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if word == "-h" or (word.startswith("--") and name in NO_VALUE and not equals):
            switches.add("help" if word == "-h" else name)
        elif not word.startswith("--"):
            positional.append(word)
        else:
            options[_option(name)] = value if equals else _next_value(_option(name), rest)
    if FROM_SCRATCH in switches:
        options |= _from_scratch(options)
    config_file = _config_file([*positional, *_taken(options, "config_path"), *_taken(options, "config")])
    nproc = _nproc(*_taken(options, "nproc"))
    return Arguments(config_file=config_file, overrides=options, nproc=nproc, switches=frozenset(switches))


def help_text() -> str:
    """Usage and every field, grouped by topic, with type and default."""
    return "\n".join([USAGE, *(_topic_help(topic) for topic in TOPICS)])


def _option(name: str) -> str:
    return name if name in {"nproc", "config", "config_path"} else known_field(ALIASES.get(name, name))


def _from_scratch(options: Mapping[str, str]) -> dict[str, str]:
    """Nothing is resumed, whatever the configuration or the environment says."""
    if given := [f"--{name}" for name in RESUME_FIELDS if options.get(name, "null") != "null"]:
        raise ConfigError(f"--{FROM_SCRATCH} and {given[0]}: a run cannot do both; drop one")
    return dict.fromkeys(RESUME_FIELDS, "null")


def _next_value(name: str, rest: list[str]) -> str:
    if not rest or rest[0].startswith("--"):
        raise ConfigError(f"--{name} needs a value: --{name} VALUE or --{name}=VALUE")
    return rest.pop(0)


def _taken(options: dict[str, str], name: str) -> list[str]:
    return [options.pop(name)] if name in options else []


def _config_file(given: list[str]) -> Path | None:
    if len(given) > 1:
        raise ConfigError(f"one configuration file at a time, not {' and '.join(given)}; set fields by --field value")
    return Path(given[0]).expanduser() if given else None


def _nproc(text: str = "auto") -> int | None:
    if text == "auto":
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"--nproc {text}: it must be auto or a whole number of at least 1")
    return int(text)


def _topic_help(topic: type) -> str:
    title = (topic.__doc__ or topic.__name__).rstrip(".")
    lines = [title]
    for one in fields(topic):
        lines.append(f"  --{one.name} ({type_in_words(one.name)}; default {_shown(one.default)})")
        lines.append(f"        {one.metadata['help']}")
    return "\n".join([*lines, ""])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else repr(value) if "\n" in str(value) else str(value)
