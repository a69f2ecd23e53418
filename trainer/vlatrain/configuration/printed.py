"""What --print-config prints: every value with its origin, warnings, the number of processes, the places."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from vlatrain.configuration.advice import advice
from vlatrain.configuration.finetune import TOPICS, Device, FinetuneConfig
from vlatrain.configuration.places import adapter_folder, base_model_folder, eval_log_folder, run_folder, run_name
from vlatrain.configuration.resolve import COMMAND_LINE, Resolved
from vlatrain.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Printed:
    """The answer to --print-config. `paths` holds None for a base model that is not on this machine."""

    config: FinetuneConfig
    origins: dict[str, str]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    nproc: int
    nproc_origin: str
    paths: dict[str, str | None]
    run_name: str


def printed(resolved: Resolved, nproc: int | None, gpus: int, environ: Mapping[str, str]) -> Printed:
    """Composes the answer; `nproc` None means auto."""
    config = resolved.config
    usable = 0 if config.device is Device.CPU else gpus
    count, origin = processes(nproc, resolved.nproc, resolved.nproc_origin, usable)
    return Printed(
        config=config,
        origins=resolved.origins,
        warnings=(*resolved.warnings, *advice(config)),
        notes=resolved.notes,
        nproc=count,
        nproc_origin=origin,
        paths=_paths(config, environ),
        run_name=run_name(config),
    )


def processes(asked: int | None, told: int | None, told_by: str, gpus: int) -> tuple[int, str]:
    """How many processes to start and who says so: the command line, the profile, the GPUs, else one."""
    if asked is not None:
        return asked, COMMAND_LINE
    if told is not None:
        return told, told_by
    return (gpus, "visible GPUs") if gpus else (1, "no GPU used")


def as_json(answer: Printed) -> dict[str, Any]:
    """JSON's types only: paths as text, lists as lists."""
    return {
        "config": {
            name: {"value": _plain(getattr(answer.config, name)), "origin": origin}
            for name, origin in answer.origins.items()
        },
        "warnings": list(answer.warnings),
        "notes": list(answer.notes),
        "nproc": answer.nproc,
        "nproc_origin": answer.nproc_origin,
        "paths": answer.paths,
        "run_name": answer.run_name,
    }


def as_text(answer: Printed) -> str:
    """A table of the fields by topic, then the rest."""
    lines: list[str] = []
    for topic in TOPICS:
        lines.append((topic.__doc__ or topic.__name__).rstrip("."))
        lines += [_row(one.name, getattr(answer.config, one.name), answer.origins[one.name]) for one in fields(topic)]
        lines.append("")
    lines += ["Run", _row("nproc", answer.nproc, answer.nproc_origin), _row("run_name", answer.run_name, "")]
    lines += [_row(name, path, "") for name, path in answer.paths.items()]
    return "\n".join([*lines, *answer.notes, *(f"warning: {warning}" for warning in answer.warnings)])


def _paths(config: FinetuneConfig, environ: Mapping[str, str]) -> dict[str, str | None]:
    return {
        "base_model": _base_model(config, environ),
        "data": str(config.data_root_dir / config.dataset_name),
        "run": str(run_folder(config)),
        "adapters": str(adapter_folder(config)),
        "eval_logs": str(eval_log_folder(config)),
    }


def _base_model(config: FinetuneConfig, environ: Mapping[str, str]) -> str | None:
    try:
        folder = base_model_folder(config, environ)
    except ConfigError:
        return None
    return str(folder) if folder else None


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _row(name: str, value: object, origin: str) -> str:
    plain = _plain(value)
    text = str(plain).lower() if isinstance(plain, bool) else "null" if plain is None else str(plain)
    return f"  {name:<28} {text.replace(chr(10), chr(92) + 'n'):<40} {origin}".rstrip()
