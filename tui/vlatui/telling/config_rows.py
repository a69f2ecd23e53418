"""The Config tab: what a run was started with, or where that differs from another run. Pure."""

from collections.abc import Mapping

from vlad.policy.secrets import redacted
from vlad.records.spec import ConfigValue, RunSpec

from vlatui.look.columns import Column, Row
from vlatui.look.tones import Tone, cell
from vlatui.look.words import tr

CONFIG_COLUMNS = (
    Column("field", "FIELD", 16),
    Column("value", "VALUE", 14, grows=True),
    Column("origin", "FROM", 12, priority=1, most=40),
)
NO_CONFIG = ("This run has no configuration of its own.", "it supervises a command")
NO_DIFFERENCE = ("Both runs were started with the same configuration.", "= compares with another run, & ends it")
DEFAULT = "default"
LEFT_OUT = "-"
ASKED_FOR = ""


def config_rows(spec: RunSpec | None, *, only_chosen: bool = False) -> list[Row]:
    """What was asked for: the command, where, and every configured value (or only those that are no defaults)."""
    if spec is None:
        return []
    shown = [name for name in sorted(spec.config) if not (only_chosen and spec.config[name].origin == DEFAULT)]
    asked = [
        Row(f"run:{name}", {"field": cell(tr(name), Tone.MUTED), "value": cell(value)})
        for name, value in _asked(spec).items()
        if value
    ]
    return asked + [_config_row(name, spec.config[name]) for name in shown]


def _asked(spec: RunSpec) -> dict[str, str]:
    """What is no field of the configuration."""
    return {
        "command": " ".join(redacted(spec.argv)), "working folder": spec.cwd, "started by": spec.created_by,
        "configuration file": spec.config_file or "", "git commit": spec.git_commit or "",
    }  # fmt: skip


def _config_row(name: str, setting: ConfigValue) -> Row:
    is_default = setting.origin == DEFAULT
    cells = {
        "field": cell(name, Tone.MUTED if is_default else Tone.STRONG),
        "value": cell(shown_value(setting.value), Tone.MUTED if is_default else Tone.PLAIN),
        "origin": cell(setting.origin, Tone.FAINT if is_default else Tone.ACCENT),
    }
    return Row(name, cells)


def shown_value(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def difference_columns(name: str, other: str) -> tuple[Column, ...]:
    """Both runs by their names, each value with its origin."""
    return (
        Column("field", "FIELD", 14, most=30),
        Column("value", name, 10, grows=True),
        Column("origin", "FROM", 8, priority=2, most=24),
        Column("other", other, 10, most=40),
        Column("other_origin", "FROM", 8, priority=3, most=24),
    )


def config_difference(spec: RunSpec | None, other: RunSpec) -> list[Row]:
    """What differs between two runs, and nothing else."""
    if spec is None:
        return []
    mine, theirs = _told(spec), _told(other)
    names = [name for name in {**mine, **theirs} if mine.get(name, LACKING)[0] != theirs.get(name, LACKING)[0]]
    return [_difference_row(name, mine.get(name, LACKING), theirs.get(name, LACKING)) for name in names]


LACKING = (LEFT_OUT, "")


def _told(spec: RunSpec) -> Mapping[str, tuple[str, str]]:
    """(value, origin) of everything that was asked for; the command of our trainer follows from the rest."""
    asked = _asked(spec)
    if spec.config:
        del asked["command"]
    asked["processes"] = str(spec.nproc or "")
    about = {tr(name): (value, ASKED_FOR) for name, value in asked.items() if value}
    fields = {name: (shown_value(one.value), one.origin) for name, one in sorted(spec.config.items())}
    return {**about, **fields}


def _difference_row(name: str, mine: tuple[str, str], theirs: tuple[str, str]) -> Row:
    cells = {
        "field": cell(name, Tone.STRONG),
        "value": cell(mine[0], Tone.SERIES_1),
        "origin": cell(mine[1], Tone.FAINT if mine[1] == DEFAULT else Tone.ACCENT),
        "other": cell(theirs[0], Tone.SERIES_2),
        "other_origin": cell(theirs[1], Tone.FAINT if theirs[1] == DEFAULT else Tone.ACCENT),
    }
    return Row(name, cells)
