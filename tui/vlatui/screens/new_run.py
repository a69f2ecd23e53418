"""A new run, by a form or by one line: what will be run is shown, checked and foretold while it is typed."""

from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Button, Input, Label
from textual.worker import get_current_worker
from vlad.records.adapters import Adapter

from vlatui.asking.adapters import adapters_in, adapters_question
from vlatui.asking.checking import Check, foretold, resolved, verified
from vlatui.asking.completing import field_hint
from vlatui.asking.line_completing import StartWords, start_words, unknown_option
from vlatui.asking.start_form import Questions, StartForm
from vlatui.asking.start_line import form_of_line, line_of
from vlatui.look.painting import literal
from vlatui.look.tones import Span, Tone
from vlatui.look.words import tr
from vlatui.screens.adapters import AdapterScreen
from vlatui.session import Session
from vlatui.sites.vlad import Answer
from vlatui.telling.check_lines import candidate_lines, check_lines, command_lines, wrapped
from vlatui.widgets.lines import Lines
from vlatui.widgets.start_fields import StartFields
from vlatui.widgets.start_line import StartLine

CHECK_AFTER_S = 0.4
FORM_KEYS = "tab next · ^t one line · ^o adapters · ^s start · esc cancel"
LINE_KEYS = "tab completes · ↑ before · ^t form · ^o adapters · esc cancel"
AS_ONE_LINE = "auto 10000 1000 1000 5 --config my.yaml --gpus 2"


class NewRunScreen(ModalScreen[str | None]):
    """Dismissed with what `vlad` printed when it started the run, None when cancelled."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s,ctrl+enter", "start", "Start"),
        Binding("ctrl+o", "choose_adapter", "Choose an adapter"),
        Binding("ctrl+t", "switch", "One line, or the form"),
    ]

    def __init__(self, session: Session, filled_in: StartForm, site: str = "") -> None:
        """`site` names the host on which the run is to be."""
        super().__init__()
        self._site = site
        self._session = session
        self._filled_in = filled_in
        self._left: dict[bool, tuple[StartForm, str]] = {}
        self._check: Check | None = None
        self._said: Span | None = None
        self._due: Timer | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide form") as dialog:
            dialog.border_title = literal(tr("New run on {host}", host=self._site) if self._site else tr("New run"))
            yield StartFields(self._filled_in, id="fields")
            with Horizontal(classes="field", id="one-line"):
                yield Label("vlad start")
                yield StartLine(self._session.settings.started, placeholder=AS_ONE_LINE, id="line")
            yield Lines(id="preview")
            with Horizontal(classes="buttons"):
                yield Button(tr("Start"), id="start", variant="primary", compact=True)
                yield Button(tr("Cancel"), id="cancel", compact=True)

    def on_mount(self) -> None:
        self._fields, self._line = self.query_one(StartFields), self.query_one(StartLine)
        self._learn_words()
        self._line.show(line_of(self._filled_in))
        self._show_mode(is_line=self._session.settings.starts_by_line)

    @work(thread=True, exit_on_error=False)
    def _learn_words(self) -> None:
        words = start_words(self._session.ask_vlad("completions", "start", site=self._site))
        self.app.call_from_thread(self._know, words)

    def _know(self, words: StartWords) -> None:
        if not self.is_attached:
            return
        self._line.know(words)
        self._fields.suggest(words.configs, words.profiles, words.runs)
        self._show()

    # the form, or one line

    @property
    def is_line(self) -> bool:
        return self.query_one("#one-line").display

    @property
    def form(self) -> StartForm:
        """What is asked for. Raises ValueError for a line that cannot be meant."""
        return form_of_line(self._line.value) if self.is_line else self._fields.form

    def _show_mode(self, *, is_line: bool) -> None:
        self._fields.display, self.query_one("#one-line").display = not is_line, is_line
        dialog = self.query_one(".dialog")
        dialog.border_subtitle = tr(LINE_KEYS if is_line else FORM_KEYS)
        if is_line:
            self._line.focus()
            self.call_after_refresh(lambda: self._line.show(self._line.value))  # its width is known only then
        else:
            self._fields.focus_first()
        self._changed()

    def action_switch(self) -> None:
        """What was typed is kept: word for word where nothing changed meanwhile, else as it is meant."""
        is_line = self.is_line
        try:
            form = self.form
            line = line_of(form)
        except ValueError as error:
            self._say(str(error), Tone.BAD)
            return
        self._left[is_line] = (form, self._line.value)
        before, text = self._left.get(not is_line, (None, ""))
        is_same = before is not None and line_of(before) == line
        if is_line:
            self._fields.fill(before if is_same and before else form)
        else:
            self._line.show(text if is_same else line)
        self._session.remember(starts_by_line=not is_line)
        self._show_mode(is_line=not is_line)

    # checking while it is typed

    @on(Input.Changed)
    def _changed(self) -> None:
        """Shows the command at once; has vlad check it when the typing pauses."""
        self._check = self._said = None
        self._show()
        if self._due is not None:
            self._due.stop()
        self._due = self.set_timer(CHECK_AFTER_S, self._check_form)

    def _check_form(self) -> None:
        if self._needs_more:
            return
        try:
            form = self.form
            questions = form.questions()
        except ValueError:
            return
        self._ask(form, questions)

    @property
    def _needs_more(self) -> bool:
        """Whether an option stands at the end of the line that waits for its value."""
        return self.is_line and self._line.completion.needs_value

    @work(thread=True, exclusive=True, group="check", exit_on_error=False)
    def _ask(self, form: StartForm, questions: Questions) -> None:
        """The fields first, then the whole command, then what it will take; each answer is shown when it comes."""
        worker = get_current_worker()

        def ask(arguments: list[str]) -> Answer:
            return self._session.ask_vlad(*arguments, site=self._site)

        def show(check: Check) -> bool:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._show_check, form, check)
            return not worker.is_cancelled and not check.refusal

        check = resolved(ask(questions.configured)) if questions.configured else Check()
        if not show(check) or (questions.configured and check.resolved is None):
            return
        check = verified(check, ask(questions.checked))
        if show(check) and questions.planned:
            show(foretold(check, ask(questions.planned)))

    def _show_check(self, form: StartForm, check: Check) -> None:
        """An answer that comes after something else was typed is none."""
        try:
            if not self.is_attached or form != self.form:
                return
        except ValueError:
            return
        self._check = check
        if check.resolved is not None:
            self._fields.suggest_fields(tuple(check.resolved.config))
            self._line.know(fields=tuple(check.resolved.config))
        self._show()

    def _show(self) -> None:
        preview = self.query_one("#preview", Lines)
        width = max(20, min(preview.size.width or 76, 100))
        if self._said is not None:
            preview.show_lines(wrapped("", self._said.text, self._said.tone, width))
            return
        offered = candidate_lines(self._line.completion, width) if self.is_line else []
        try:
            if self.is_line and (words := unknown_option(self._line.value, self._line.words)):
                raise ValueError(words)
            lines = command_lines(self.form.preview(), width)
        except ValueError as error:
            preview.show_lines([*offered, *wrapped("✗ ", str(error), Tone.BAD, width)])
            return
        config = self._check.resolved.config if self._check and self._check.resolved else {}
        typed = self._line.value if self.is_line else self._fields.override_typed
        told = [] if self._needs_more else check_lines(self._check, field_hint(typed, config), width)
        preview.show_lines([*offered, *lines, *told])

    def _say(self, words: str, tone: Tone) -> None:
        """Stands until something is typed: an answer to the check must not hide it."""
        self._said = Span(words, tone)
        self._show()

    # choosing an adapter, starting

    def action_choose_adapter(self) -> None:
        """Opens the list of adapters found there; the chosen one goes into its field."""
        adapters = self._check.resolved.paths.get("adapters") if self._check and self._check.resolved else None
        question = adapters_question([str(Path(adapters).parent)] if adapters else [])

        def find() -> tuple[Adapter, ...]:
            return adapters_in(self._session.ask_vlad(*question, site=self._site))

        def chosen(path: str | None) -> None:
            if path is not None:
                (self._line if self.is_line else self._fields).choose_adapter(path)

        self.app.push_screen(AdapterScreen(tr("Resume from"), find, self._session.clock), chosen)

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        try:
            form = self.form
            arguments, line = form.arguments(), self._line.value if self.is_line else line_of(form)
        except ValueError as error:
            self._say(str(error), Tone.BAD)
            return
        self.query_one("#start", Button).disabled = True
        self._say(tr("starting…"), Tone.INFO)
        self._start(arguments, line)

    @work(thread=True, exclusive=True, group="start", exit_on_error=False)
    def _start(self, arguments: list[str], line: str) -> None:
        self.app.call_from_thread(self._answered, self._session.ask_vlad(*arguments, site=self._site), line)

    def _answered(self, answer: Answer, line: str) -> None:
        if answer.is_done:
            self._session.remember_started(line)
            self.dismiss(answer.output or answer.words)
            return
        self.query_one("#start", Button).disabled = False
        self._say(answer.words, Tone.BAD)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        self.dismiss(None)
