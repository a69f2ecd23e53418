"""A new run as filled in: what was typed, the command it means, and how it is filled from a run that exists. Pure."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from vlad.records.spec import Kind, RunSpec

CHOSEN_BY_HAND = "command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartForm:
    """Everything as typed."""

    config: str = ""
    profile: str = ""
    name: str = ""
    nproc: str = ""
    overrides: str = ""
    resume: str = ""
    gpus: str = ""
    after: str = ""
    folder: str = ""
    command: str = ""

    def arguments(self) -> list[str]:
        """The arguments for `vlad`. Raises ValueError with words for what cannot be meant."""
        waiting = self._options(("--gpus", self.gpus), ("--after", self.after))
        if self.is_command:
            return ["start", *self._options(("--name", self.name)), *waiting, "--", *_words(self.command)]
        return ["start", *self._processes(), *self._configured(), *self._options(("--name", self.name)), *waiting]

    @property
    def is_command(self) -> bool:
        """Whether a command is to be supervised instead of our trainer."""
        return bool(self.command.strip())

    def questions(self) -> tuple[list[str], list[str]]:
        """The arguments that have `vlad` resolve the configuration, and foretell memory and time. Raises ValueError."""
        configured = self._configured()
        return ["config", *configured, "--json"], ["plan", *self._processes(), *configured, "--json"]

    def _configured(self) -> list[str]:
        named = (("--config", self.config), ("--profile", self.profile), ("--resume", self.resume))
        options = list(self._options(*named, ("--project-root", self.folder)))
        for override in _words(self.overrides):
            if "=" not in override:
                raise ValueError(f"override {override!r}: write it as field=value")
            options += ["--set", override]
        return options

    def _processes(self) -> list[str]:
        nproc = self.nproc.strip()
        if nproc and nproc != "auto" and not (nproc.isdecimal() and int(nproc) > 0):
            raise ValueError(f"processes {nproc!r}: a whole number from 1, or auto")
        return [nproc] if nproc else []

    def _options(self, *options: tuple[str, str]) -> Iterable[str]:
        return [part for option, value in options if value.strip() for part in (option, value.strip())]

    def preview(self) -> str:
        """The command that would be run, as it would be typed."""
        return shlex.join(["vlad", *self.arguments()])


def form_of(spec: RunSpec, resume: str = "") -> StartForm:
    """What starts a run like `spec` again: its configuration, and every value that was chosen by hand."""
    if spec.kind is Kind.COMMAND:
        return StartForm(name=spec.name, command=shlex.join(spec.argv))
    chosen = {field: setting.value for field, setting in spec.config.items() if setting.origin == CHOSEN_BY_HAND}
    chosen.pop("resume_adapter_dir", None)
    root = spec.config.get("project_root")
    chosen.pop("project_root", None)
    overrides = [shlex.quote(f"{field}={_text(value)}") for field, value in chosen.items()]
    return StartForm(
        config=spec.config_file or "", nproc=str(spec.nproc or ""), name=spec.name, overrides=" ".join(overrides),
        resume=resume, folder=_text(root.value) if root else "",
    )  # fmt: skip


def _text(value: object) -> str:
    """A value as the command line takes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error
