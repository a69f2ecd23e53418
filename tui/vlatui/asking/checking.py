"""What vlad says of a form before it is started: the configuration it comes to, and whether it fits. Pure."""

from dataclasses import dataclass, replace

import msgspec
from vlad.records.spec import ConfigValue

from vlatui.sites.vlad import Answer


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What `vlad config --json` answers: every field with its origin, warnings, and where things are written."""

    config: dict[str, ConfigValue]
    run_name: str = ""
    nproc: int | None = None
    warnings: tuple[str, ...] = ()
    paths: dict[str, str | None] = {}


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """Changes that would make a run fit."""

    changes: tuple[str, ...] = ()


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """What `vlad plan --json` answers. Sizes in bytes of one card."""

    card: str
    nproc: int
    memory_bytes: int
    total_bytes: int
    fits: bool
    step_s: float | None = None
    remedies: tuple[Remedy, ...] = ()
    assumed: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A form as far as it is checked: `refusal` in vlad's words, else what was resolved and foretold so far."""

    refusal: str = ""
    resolved: Resolved | None = None
    foretold: Foretold | None = None
    no_plan: str = ""
    is_verified: bool = False


def resolved(answer: Answer) -> Check:
    """What the answer of `vlad config --json` tells."""
    if not answer.is_done:
        return Check(answer.words.removeprefix("vlad: "))
    try:
        return Check(resolved=msgspec.json.decode(answer.output, type=Resolved))
    except msgspec.DecodeError:
        return Check()


def verified(check: Check, answer: Answer) -> Check:
    """The check with what the answer of `vlad start --dry-run` adds: a refusal of the whole command."""
    refusal = "" if answer.is_done else answer.words.removeprefix("vlad: ")
    return replace(check, refusal=refusal, is_verified=answer.is_done)


def foretold(check: Check, answer: Answer) -> Check:
    """The check with what the answer of `vlad plan --json` adds; a plan that does not fit is an answer too."""
    try:
        plan = msgspec.json.decode(answer.output, type=Foretold)
    except msgspec.DecodeError:
        return replace(check, no_plan=answer.words.removeprefix("vlatrain plan: "))
    return replace(check, foretold=plan)
