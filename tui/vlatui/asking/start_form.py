"""A new run as filled in: what was typed, the command it means, and how it is filled from a run that exists. Pure."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from vlad.records.spec import Kind, RunSpec

from vlatui.look.words import tr

CHOSEN_BY_HAND = "command line"
BESIDE_FIELDS = {"--follow": "the log is followed here", "--attach": "t attaches later, with --tty",
                 "--json": "the answer is read here", "--dry-run": "it is checked as you type"}  # fmt: skip
_PIECE = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.|.""", re.DOTALL)
_DOLLAR = re.compile(r"\\([$`])")
CONFIGURING = frozenset({"--from-scratch", "--python"})


@dataclass(frozen=True, slots=True)
class Questions:
    """The arguments that have `vlad` resolve the configuration, check the whole command, foretell memory and time."""

    checked: list[str]
    configured: list[str] | None = None
    planned: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartForm:
    """Everything as typed. `figures` follow the processes; `options` are those without a field of their own."""

    config: str = ""
    profile: str = ""
    name: str = ""
    nproc: str = ""
    figures: str = ""
    overrides: str = ""
    resume: str = ""
    gpus: str = ""
    after: str = ""
    folder: str = ""
    options: str = ""
    command: str = ""

    def arguments(self) -> list[str]:
        """The arguments for `vlad`. Raises ValueError with words for what cannot be meant."""
        common = [
            *self._options(("--name", self.name), ("--gpus", self.gpus), ("--after", self.after)),
            *self._others(),
        ]
        if self.is_command:
            return ["start", *common, "--", *words_of(self.command)]
        return ["start", *self._processes(), *self._configured(), *common]

    @property
    def is_command(self) -> bool:
        """Whether a command is to be supervised instead of our trainer."""
        return bool(self.command.strip())

    def questions(self) -> Questions:
        """What vlad is asked before anything is started. Raises ValueError."""
        verb, *arguments = self.arguments()
        checked = [verb, "--dry-run", "--json", *arguments]
        if self.is_command:
            return Questions(checked)
        configured = [*self._configured(), *self._configuring()]
        return Questions(
            checked, ["config", *configured, "--json"], ["plan", *self._processes(), *configured, "--json"]
        )

    def _configured(self) -> list[str]:
        named = (("--config", self.config), ("--profile", self.profile), ("--resume", self.resume))
        options = list(self._options(*named, ("--project-root", self.folder)))
        for override in words_of(self.overrides):
            if "=" not in override:
                raise ValueError(tr("override {override}: write it as field=value", override=repr(override)))
            options += ["--set", override]
        return options

    def _processes(self) -> list[str]:
        nproc, figures = self.nproc.strip(), words_of(self.figures)
        if nproc and nproc != "auto" and not (nproc.isdecimal() and int(nproc) > 0):
            raise ValueError(tr("processes {nproc}: a whole number from 1, or auto", nproc=repr(nproc)))
        wrong = next((figure for figure in figures if not figure.isdecimal()), None)
        if wrong is not None:
            raise ValueError(
                tr("steps {wrong}: whole numbers: steps, save every, evaluate every, patience", wrong=repr(wrong))
            )
        return [nproc or "auto", *figures] if nproc or figures else []

    def _others(self) -> list[str]:
        words = words_of(self.options)
        refused = next((word for word in words if word in BESIDE_FIELDS), None)
        if refused is not None:
            raise ValueError(tr("{option}: leave it out, {why}", option=refused, why=tr(BESIDE_FIELDS[refused])))
        return words

    def _configuring(self) -> list[str]:
        """Of the other options those that decide about the configuration."""
        words = self._others()
        pairs = zip(["", *words], words, strict=False)
        return [word for before, word in pairs if word.split("=")[0] in CONFIGURING or before == "--python"]

    def _options(self, *options: tuple[str, str]) -> Iterable[str]:
        return [part for option, value in options if value.strip() for part in (option, value.strip())]

    def preview(self) -> str:
        """The command that would be run, as it would be typed."""
        return shlex.join(["vlad", *self.arguments()])


def form_of(spec: RunSpec, resume: str = "") -> StartForm:
    """What starts a run like `spec` again: its configuration, and every value that was chosen by hand."""
    if spec.kind is Kind.COMMAND:
        return StartForm(name=spec.name, command=shlex.join(spec.argv), options=shlex.join(_options_of(spec)))
    chosen = {field: setting.value for field, setting in spec.config.items() if setting.origin == CHOSEN_BY_HAND}
    chosen.pop("resume_adapter_dir", None)
    root = spec.config.get("project_root")
    chosen.pop("project_root", None)
    overrides = [shlex.quote(f"{field}={_text(value)}") for field, value in chosen.items()]
    return StartForm(
        config=spec.config_file or "", nproc=str(spec.nproc or ""), name=spec.name, overrides=" ".join(overrides),
        resume=resume, folder=_text(root.value) if root else "",
    )  # fmt: skip


def _options_of(spec: RunSpec) -> list[str]:
    """Where a program of others runs, and when it is stopped early."""
    wish = spec.early_stop
    early = [] if wish is None else ["--early-stop", f"patience={wish.patience},min_delta={wish.min_delta:g}"]
    return ["--folder", spec.cwd, *early]


def _text(value: object) -> str:
    """A value as the command line takes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def words_of(text: str) -> list[str]:
    """The words of a command line, as a shell has them; Python's shlex knows no \\$ within double quotes.

    Raises ValueError for a quotation that does not end.
    """
    pieces = (_DOLLAR.sub(r"\1", piece) if piece.startswith('"') else piece for piece in _PIECE.findall(text))
    try:
        return shlex.split("".join(pieces))
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error
