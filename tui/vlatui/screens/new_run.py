"""The form for a new run: what will be run is shown, checked and foretold while it is typed."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.timer import Timer
from textual.widgets import Button, Input, Label
from textual.worker import get_current_worker
from vlad.records.shipped import shipped_configs

from vlatui.asking.checking import Check, foretold, resolved
from vlatui.asking.completing import FieldSuggester, field_hint
from vlatui.asking.start_form import StartForm
from vlatui.look.tones import Line, Span, Tone
from vlatui.look.words import tr
from vlatui.reading.adapters import Adapter
from vlatui.screens.adapters import AdapterScreen
from vlatui.session import Session
from vlatui.sites.vlad import Answer
from vlatui.telling.check_lines import check_lines, command_lines
from vlatui.widgets.lines import Lines

FIELDS = (
    ("config", "Configuration", "configs/demo.yaml; → completes"),
    ("profile", "Profile", "from the configuration; → completes"),
    ("nproc", "Processes", "one a GPU, or as the profile says"),
    ("gpus", "GPUs", "auto, none, 2, or 0,2: waits until they are free"),
    ("name", "Name", "from the data set"),
    ("resume", "Resume from", "^o chooses an adapter; empty starts anew"),
    ("overrides", "Overrides", "learning_rate=1e-4 max_steps=500; → completes"),
    ("folder", "Project folder", "where relative paths stand: this folder"),
    ("after", "After run", "waits until that one has succeeded"),
    ("command", "Or a command", "torchrun --nproc-per-node 2 train.py"),
)
CHECK_AFTER_S = 0.4

FindAdapters = Callable[[list[Path]], tuple[Adapter, ...]]


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

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s,ctrl+enter", "start", "Start"),
        Binding("ctrl+o", "choose_adapter", "Choose an adapter"),
    ]

    def __init__(self, session: Session, filled_in: StartForm, find: FindAdapters, site: str = "") -> None:
        """`find` looks for adapters below the folders it is given, and wherever runs have saved some.

        `site` names the host on which the run is to be.
        """
        super().__init__()
        self._site = site
        self._session = session
        self._filled_in = filled_in
        self._find = find
        self._check: Check | None = None
        self._said: Line | None = None
        self._suggester = FieldSuggester()
        self._due: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide form") as dialog:
            dialog.border_title = tr("New run on {host}").format(host=self._site) if self._site else tr("New run")
            dialog.border_subtitle = tr("tab next field · ^o adapters · ^s start · escape cancel")
            with VerticalScroll(id="fields", can_focus=False):
                for field, label, hint in FIELDS:
                    with Horizontal(classes="field"):
                        yield Label(tr(label))
                        value = getattr(self._filled_in, field)
                        yield Input(value, placeholder=hint, id=f"field-{field}", compact=True)
            yield Lines(id="preview")
            with Horizontal(classes="buttons"):
                yield Button(tr("Start"), id="start", variant="primary", compact=True)
                yield Button(tr("Cancel"), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one("#field-overrides", Input).suggester = self._suggester
        if not self._site:
            self._find_suggestions()
        self._changed()

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
    def _changed(self) -> None:
        """Shows the command at once; has vlad check it when the typing pauses."""
        self._check = self._said = None
        self._show()
        if self._due is not None:
            self._due.stop()
        self._due = self.set_timer(CHECK_AFTER_S, self._check_form)

    def _check_form(self) -> None:
        form = self.form
        if form.is_command:
            self._show_check(form, Check())
            return
        try:
            questions = form.questions()
        except ValueError:
            return
        self._ask(form, *questions)

    @work(thread=True, exclusive=True, group="check", exit_on_error=False)
    def _ask(self, form: StartForm, configured: list[str], planned: list[str]) -> None:
        worker = get_current_worker()
        check = resolved(self._session.ask_vlad(*configured, site=self._site))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show_check, form, check)
        if check.resolved is not None and not worker.is_cancelled:
            check = foretold(check, self._session.ask_vlad(*planned, site=self._site))
            if not worker.is_cancelled:
                self.app.call_from_thread(self._show_check, form, check)

    def _show_check(self, form: StartForm, check: Check) -> None:
        """An answer that comes after something else was typed is none."""
        if not self.is_attached or form != self.form:
            return
        self._check = check
        if check.resolved is not None:
            self._suggester.fields = tuple(check.resolved.config)
        self._show()

    def _show(self) -> None:
        preview = self.query_one("#preview", Lines)
        if self._said is not None:
            preview.show_lines([self._said])
            return
        width = max(20, min(preview.size.width or 76, 100))
        try:
            lines = command_lines(self.form.preview(), width)
        except ValueError as error:
            preview.show_lines([[Span(str(error), Tone.BAD)]])
            return
        config = self._check.resolved.config if self._check and self._check.resolved else {}
        overrides = self.query_one("#field-overrides", Input)
        hint = field_hint(overrides.value, config) if overrides.has_focus else ""
        preview.show_lines([*lines, *check_lines(self._check, hint, width)])

    def _say(self, words: str, tone: Tone) -> None:
        """Stands until something is typed: an answer to the check must not hide it."""
        self._said = [Span(words, tone)]
        self._show()

    def action_choose_adapter(self) -> None:
        """Opens the list of adapters found; the chosen one goes into its field."""
        adapters = self._check.resolved.paths.get("adapters") if self._check and self._check.resolved else None
        folders = [Path(adapters).parent] if adapters else []

        def chosen(path: str | None) -> None:
            if path is not None:
                self.query_one("#field-resume", Input).value = path

        find = self._find
        self.app.push_screen(AdapterScreen("Resume from", lambda: find(folders), self._session.clock), chosen)

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        try:
            arguments = self.form.arguments()
        except ValueError as error:
            self._say(str(error), Tone.BAD)
            return
        self.query_one("#start", Button).disabled = True
        self._say(tr("starting…"), Tone.INFO)
        self._start(arguments)

    @work(thread=True, exclusive=True, group="start", exit_on_error=False)
    def _start(self, arguments: list[str]) -> None:
        self.app.call_from_thread(self._answered, self._session.ask_vlad(*arguments, site=self._site))

    def _answered(self, answer: Answer) -> None:
        if answer.is_done:
            self.dismiss(answer.output or answer.words)
            return
        self.query_one("#start", Button).disabled = False
        self._say(answer.words, Tone.BAD)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(None)
