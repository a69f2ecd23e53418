"""Asking vlad for the adapters of its host. Pure."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from vlad.records.adapters import Adapter

from vlatui.sites.vlad import Answer


def adapters_question(folders: Sequence[str] = (), run_id: str = "") -> list[str]:
    """The arguments that have vlad list them: below `folders` too, or only those of one run."""
    return ["adapters", *folders, *(["--run", run_id] if run_id else []), "--json"]


def adapters_in(answer: Answer) -> tuple[Adapter, ...]:
    """What `vlad adapters --json` listed. Raises ValueError with vlad's words where it did not."""
    try:
        return msgspec.json.decode(answer.output, type=tuple[Adapter, ...], dec_hook=_decoded)
    except msgspec.DecodeError:
        raise ValueError(answer.words.removeprefix("vlad: ")) from None


def _decoded(kind: type[object], value: object) -> object:
    return Path(str(value)) if kind is Path else value
