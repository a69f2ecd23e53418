"""The words and the JSON in which a plan is told, and the command that asks for one."""

import json
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from vlatrain.configuration.arguments import parse_arguments
from vlatrain.configuration.finetune import Device, FinetuneConfig
from vlatrain.configuration.fitting import check_inputs
from vlatrain.configuration.places import base_model_folder
from vlatrain.configuration.preflight import count_gpus
from vlatrain.configuration.printed import processes
from vlatrain.configuration.resolve import resolve
from vlatrain.errors import ConfigError
from vlatrain.model.config import N_STATES, OpenVLAConfig
from vlatrain.planning.cards import CARDS, Card, card_here, card_named, card_of_profile
from vlatrain.planning.measured import measured
from vlatrain.planning.plan import Plan, Remedy, check_possible, plan, remedies
from vlatrain.planning.sizes import sizes_of


def answer(words: Sequence[str], environ: Mapping[str, str], root: Path = Path("/")) -> tuple[str, bool]:
    """What to print for `plan CONFIG [--field value]… [--card C] [--nproc N] [--json]`, and whether the run fits.

    Raises ConfigError for a configuration that cannot be, or a card that nobody named.
    """
    card, others = _card(words)
    arguments = parse_arguments(others)
    resolved = resolve(arguments.config_file, arguments.overrides, environ)
    if resolved.config.device is Device.CPU:
        raise ConfigError("--device cpu: a plan is for GPUs; a run on the CPU needs no other memory than the machine's")
    chosen = chosen_card(card, resolved.config, root)
    check_possible(resolved.config, chosen)
    nproc, _ = processes(arguments.nproc, resolved.nproc, resolved.nproc_origin, count_gpus(environ))
    model = _model(resolved.config, environ)
    frames = _frames(resolved.config) if resolved.config.keep_frames_on_device else 0
    sizes = sizes_of(model or _published(resolved.config))
    made = plan(resolved.config, sizes, chosen, nproc, frames=frames or 0)
    changes: list[Remedy] = [] if made.fits else remedies(made, sizes)
    assumed = [*_assumptions(resolved.config, model, frames)]
    if "json" in arguments.switches:
        return json.dumps(as_json(made, changes, assumed)), made.fits
    return as_text(made, changes, assumed), made.fits


def _model(config: FinetuneConfig, environ: Mapping[str, str]) -> OpenVLAConfig | None:
    """What is trained, where it is here. Raises ConfigError where it was made for other inputs."""
    folder = config.resume_full_model_dir or base_model_folder(config, environ)
    if folder is None:
        return None
    check_inputs(config, folder)
    return OpenVLAConfig.from_json_file(folder / "config.json")


def _published(config: FinetuneConfig) -> OpenVLAConfig:
    """The published sizes, with the inputs and answers of this configuration."""
    return OpenVLAConfig(
        pictures=2 if config.use_wrist_image else 1,
        state_size=N_STATES if config.use_proprio else 0,
        chunk=config.action_chunk,
    )


def _frames(config: FinetuneConfig) -> int | None:
    """As `frames_of`, whose libraries are loaded where frames count only."""
    from vlatrain.planning.frames import frames_of

    return frames_of(config)


def _assumptions(config: FinetuneConfig, model: OpenVLAConfig | None, frames: int | None) -> Iterator[str]:
    if model is None:
        yield f"({config.vla_path} is not here: the sizes of OpenVLA-7B are taken)"
    if frames is None:
        yield f"({config.dataset_name} is not here as RLDS: its frames, which would stay on the card, are not counted)"


def _card(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """What --card says, and the other words."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--card")
    try:
        found, others = parser.parse_known_args(words)
    except ArgumentError as error:
        raise ConfigError(f"--card: {error.message}") from None
    return found.card, others


def chosen_card(asked: str | None, config: FinetuneConfig, root: Path) -> Card:
    """The card asked for, else this machine's, else the one that the profile is named after. Raises ConfigError."""
    if asked:
        return card_named(asked)
    card = card_here(root) or card_of_profile(config.server_profile)
    if card is None:
        raise ConfigError(f"for which card? --card names one of {', '.join(CARDS)}")
    return card


def as_json(made: Plan, others: list[Remedy], assumed: Sequence[str]) -> dict[str, Any]:
    """The plan in JSON's types; sizes in bytes, times in seconds."""
    return {
        "card": made.card.name,
        "nproc": made.nproc,
        "precision": made.precision,
        "memory_bytes": made.card.memory_bytes,
        "parts": {part.name: part.size_bytes for part in made.account.parts},
        "total_bytes": made.account.total_bytes,
        "fits": made.fits,
        "step_s": made.speed.step_s,
        "samples_per_s": made.speed.samples_per_s,
        "remedies": [
            {
                "changes": list(one.changes),
                "total_bytes": one.plan.account.total_bytes,
                "step_s": one.plan.speed.step_s,
            }
            for one in others
        ],
        "assumed": " ".join(assumed) or None,
    }


def as_text(made: Plan, others: list[Remedy], assumed: Sequence[str]) -> str:
    """For people: gigabytes of 10^9 bytes, as the parts add up."""
    is_replayed = made.speed.is_replayed
    config, total, memory = made.config, made.account.total_bytes, made.card.memory_bytes
    lines = [
        f"{config.vla_path} on {made.nproc} x {made.card.name} ({memory / 1e9:.1f} GB each), {made.precision}, "
        f"batch {config.batch_size} x {config.grad_accumulation_steps} x {made.nproc}",
        *assumed,
        *(f"  {part.size_bytes / 1e9:7.2f} GB  {part.name}" for part in made.account.parts),
        f"  {total / 1e9:7.2f} GB  in all, of {memory / 1e9:.1f}: {_verdict(total, memory)}",
        _time(made),
        *([_of_replayed(config)] if is_replayed else []),
    ]
    if not made.fits:
        lines.append("What would fit:" if others else "Nothing that could be changed would fit; take a larger card.")
        lines += map(_remedy, others)
    return "\n".join(lines)


def _of_replayed(config: FinetuneConfig) -> str:
    """What time and memory follow from."""
    base = " and a base in fp8" if config.has_fp8_base else ""
    return f"That is with compile and cuda_graph{base}, reckoned from what one {measured().device} needs."


def _remedy(one: Remedy) -> str:
    return (
        f"  {' '.join(one.changes)}: {one.plan.account.total_bytes / 1e9:.1f} GB, {one.plan.speed.step_s:.2g} s a step"
    )


def _verdict(total: int, memory: int) -> str:
    if total > memory:
        return f"does not fit, {(total - memory) / 1e9:.1f} GB too much"
    return f"fits, {(memory - total) / 1e9:.1f} GB to spare"


def _time(made: Plan) -> str:
    config, per_step = made.config, made.speed.step_s
    whole = timedelta(seconds=config.max_steps * per_step)
    told = (
        f"{whole / timedelta(hours=1):.3g} h"
        if whole >= timedelta(hours=2)
        else f"{whole / timedelta(minutes=1):.0f} min"
    )
    return (
        f"A step of {config.batch_size * config.grad_accumulation_steps * made.nproc} samples takes about "
        f"{per_step:.2g} s ({made.speed.samples_per_s:.3g} samples/s); {config.max_steps} steps {told}"
    )
