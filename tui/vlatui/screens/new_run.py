"""The form for a new run: what to start, the exact command, and what `vlad` said when it refused."""

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Button, Input, Label
from vlad.records.shipped import shipped_configs

from vlatui.asking.start_form import StartForm
from vlatui.look.tones import Span, Tone
from vlatui.session import Session
from vlatui.sites.vlad import Answer
from vlatui.widgets.lines import Lines

FIELDS = (
    ("config", "Configuration", "configs/demo.yaml; → completes"),
    ("profile", "Profile", "from the configuration"),
    ("nproc", "Processes", "one a GPU; from the profile"),
    ("name", "Name", "from the data set"),
    ("resume", "Resume from", "adapter folder; none starts anew"),
    ("overrides", "Overrides", "learning_rate=1e-4 max_steps=500"),
    ("command", "Or a command", "torchrun --nproc-per-node 2 train.py"),
)


def known_configs(folders: tuple[Path, ...]) -> list[str]:
    """Configuration files that can be named: those of the working folder first. Touches the disk."""
    found = []
    for folder in folders:
        found += sorted(str(path) for path in folder.glob("*.yaml")) if folder.is_dir() else []
    return found


def known_profiles(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "profiles").glob("*.yaml"))


class NewRunScreen(ModalScreen[str | None]):
    """Dismissed with what `vlad` printed when it started the run, None when cancelled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s,ctrl+enter", "start", "Start"),
    ]

    def __init__(self, session: Session, filled_in: StartForm) -> None:
        super().__init__()
        self._session = session
        self._filled_in = filled_in

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = "New run"
            dialog.border_subtitle = "tab next field · ^s start · escape cancel"
            with VerticalScroll(id="fields"):
                for field, label, hint in FIELDS:
                    with Horizontal(classes="field"):
                        yield Label(label)
                        value = getattr(self._filled_in, field)
                        yield Input(value, placeholder=hint, id=f"field-{field}", compact=True)
            yield Lines(id="preview")
            with Horizontal(classes="buttons"):
                yield Button("Start", id="start", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self._show_preview()
        self._find_suggestions()

    @work(thread=True, exit_on_error=False)
    def _find_suggestions(self) -> None:
        configs = known_configs((Path("configs"), shipped_configs()))
        self.app.call_from_thread(self._suggest, configs, known_profiles(shipped_configs()))

    def _suggest(self, configs: list[str], profiles: list[str]) -> None:
        self.query_one("#field-config", Input).suggester = SuggestFromList(configs)
        self.query_one("#field-profile", Input).suggester = SuggestFromList(profiles)

    @property
    def form(self) -> StartForm:
        return StartForm(**{field: self.query_one(f"#field-{field}", Input).value for field, _, _ in FIELDS})

    @on(Input.Changed)
    def _show_preview(self) -> None:
        try:
            lines = [[Span("$ ", Tone.ACCENT), Span(self.form.preview())]]
        except ValueError as error:
            lines = [[Span(str(error), Tone.BAD)]]
        self.query_one("#preview", Lines).show_lines(lines)

    def _say(self, words: str, tone: Tone) -> None:
        self.query_one("#preview", Lines).show_lines([[Span(words, tone)]])

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        try:
            arguments = self.form.arguments()
        except ValueError as error:
            self._say(str(error), Tone.BAD)
            return
        self.query_one("#start", Button).disabled = True
        self._say("starting…", Tone.INFO)
        self._start(arguments)

    @work(thread=True, exclusive=True, exit_on_error=False)
    def _start(self, arguments: list[str]) -> None:
        answer = self._session.ask_vlad(*arguments)
        self.app.call_from_thread(self._answered, answer)

    def _answered(self, answer: Answer) -> None:
        if answer.is_done:
            self.dismiss(answer.output or answer.words)
            return
        self.query_one("#start", Button).disabled = False
        self._say(answer.words, Tone.BAD)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(None)
