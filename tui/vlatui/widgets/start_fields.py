"""The form for a new run: a field for each thing that is usually said."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

from vlatui.asking.completing import FieldSuggester
from vlatui.asking.start_form import StartForm
from vlatui.look.words import tr
from vlatui.widgets.field import Field

FIELDS = (
    ("config", "Configuration", "configs/demo.yaml; → completes"),
    ("profile", "Profile", "from the configuration; → completes"),
    ("nproc", "Processes", "one a GPU, or as the profile says"),
    ("figures", "Steps", "steps, save every, evaluate every, patience"),
    ("gpus", "GPUs", "auto, none, 2, or 0,2: waits until they are free"),
    ("name", "Name", "from the data set"),
    ("resume", "Resume from", "^o chooses an adapter; empty starts anew"),
    ("overrides", "Overrides", "learning_rate=1e-4 max_steps=500; → completes"),
    ("folder", "Project folder", "where relative paths stand: this folder"),
    ("after", "After run", "waits until that one has succeeded"),
    ("options", "Other options", "--restarts 3 --tty"),
    ("command", "Or a command", "torchrun --nproc-per-node 2 train.py"),
)


class StartFields(VerticalScroll):
    """What is filled in is `form`."""

    def __init__(self, form: StartForm, *, id: str | None = None) -> None:
        super().__init__(id=id, can_focus=False)
        self._first = form
        self._suggester = FieldSuggester()

    def compose(self) -> ComposeResult:
        for field, label, hint in FIELDS:
            with Horizontal(classes="field"):
                yield Label(tr(label))
                value = getattr(self._first, field)
                yield Field(value, placeholder=tr(hint), id=f"field-{field}", compact=True)

    def on_mount(self) -> None:
        self._input("overrides").suggester = self._suggester

    def _input(self, field: str) -> Input:
        return self.query_one(f"#field-{field}", Input)

    @property
    def form(self) -> StartForm:
        return StartForm(**{field: self._input(field).value for field, _, _ in FIELDS})

    def fill(self, form: StartForm) -> None:
        for field, _, _ in FIELDS:
            self._input(field).value = getattr(form, field)

    def suggest(self, configs: Sequence[str], profiles: Sequence[str], runs: Sequence[str]) -> None:
        """Offers these to whoever types."""
        for field, words in (("config", configs), ("profile", profiles), ("after", runs)):
            self._input(field).suggester = SuggestFromList(words)

    def suggest_fields(self, fields: Sequence[str]) -> None:
        self._suggester.fields = tuple(fields)

    def choose_adapter(self, path: str) -> None:
        self._input("resume").value = path

    @property
    def override_typed(self) -> str:
        """The overrides while they are being typed."""
        overrides = self._input("overrides")
        return overrides.value if overrides.has_focus else ""

    def focus_first(self) -> None:
        self._input("config").focus()
