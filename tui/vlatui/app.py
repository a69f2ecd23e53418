"""The application: the one screen, the threads behind it, themes, commands, and what is remembered."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.style import Style
from textual import work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer
from vlad.records.rundir import Home

from vlatui.asking.messages import ActionDone, ActionFailed
from vlatui.key_order import KeysInOrder
from vlatui.look.sending import SentCells
from vlatui.look.themes import OURS, mixed_colours, tone_styles
from vlatui.look.tones import Tone, safe
from vlatui.look.words import tr
from vlatui.reading.orphans import OrphanWatch
from vlatui.reading.threads import Threads
from vlatui.screens.dashboard import DashboardScreen
from vlatui.screens.text import TextScreen, key_lines
from vlatui.session import Session
from vlatui.settings import settings_file
from vlatui.sites.local import LocalSite
from vlatui.sites.site import Site
from vlatui.sites.sites import Sites
from vlatui.sites.vlad import Vlad, run_vlad

REPAINT_S = 0.25
ORPHANS_S = 5.0


class VlatuiApp(KeysInOrder):
    """Attaches to a home of runs. Quitting it ends nothing but itself."""

    TITLE = "vlatui"
    CSS_PATH = "vlatui.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+p,p", "command_palette", "All commands", show=False),
        Binding("ctrl+z", "suspend_process", "To the shell (fg comes back)", show=False, priority=True),
        Binding("ctrl+l", "repaint", "Paint the screen again", show=False, priority=True),
        Binding("f12", "picture", "Save a picture of the screen", show=False),
    ]
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it as an instance variable
        (0, "-narrow"),
        (72, "-normal"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012 - as above
        (0, "-low"),
        (16, "-middle"),
        (30, "-high"),
    ]

    def __init__(
        self, home: Home, *, wanted: str | None = None, readonly: bool = False, clock: Callable[[], float] = time.time,
        settings_path: Path | None = None, home_name: str | None = None, adopts: bool = True, vlad: Vlad = run_vlad,
        looks_at_host: bool = True, others: Sequence[Site] = (),
    ) -> None:  # fmt: skip
        """`clock` gives Unix seconds; `vlad` runs a command line of vlad; `adopts`: look after orphaned runs first.

        `others` are the other hosts whose runs are shown.
        """
        super().__init__()
        sites = Sites(LocalSite(home, vlad=vlad, always=wanted), others)
        self.session = Session(
            sites=sites, home_name=home_name or _below_user(home.path), settings_path=settings_path or settings_file(),
            threads=Threads(sites.all, self._tell, looks_at_host=looks_at_host), tell=self._tell,
            wanted=wanted, readonly=readonly, clock=clock,
        )  # fmt: skip
        self.screen_of_runs = DashboardScreen(self.session)
        self._adopts = adopts
        self._orphans = OrphanWatch(home)
        self._sent = SentCells()
        self._repainting: Timer | None = None
        self.animation_level = "none"
        for theme in OURS:
            self.register_theme(theme)
        if self.session.settings.theme in self.available_themes:
            self.theme = self.session.settings.theme

    def _tell(self, message: Message) -> None:
        """What threads find goes to the screen of the runs, whatever lies over it."""
        self.screen_of_runs.post_message(message)

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information", timeout: float | None = None,
        markup: bool = True,
    ) -> None:  # fmt: skip
        """A notice; in it, as everywhere, nothing that a terminal would obey."""
        super().notify(safe(message), title=title, severity=severity, timeout=timeout, markup=markup)

    def get_css_variables(self) -> dict[str, str]:
        """Textual's colours of the theme, and the tones mixed from them."""
        colours = super().get_css_variables()
        self.tones: Mapping[Tone, Style] = tone_styles(self.current_theme, colours)
        return colours | mixed_colours(self.current_theme, colours)

    def get_default_screen(self) -> Screen[None]:
        return self.screen_of_runs

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, lambda theme: self.session.remember(theme=theme.name))
        if self._adopts and not self.session.readonly:
            self._adopt_orphans()
            self.set_interval(ORPHANS_S, self._look_for_orphans)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Sends the terminal only what changed."""
        super()._display(screen, self._sent.update_of(renderable))

    def on_resize(self) -> None:
        """A change of the terminal's size, also one back to the size that we know, may cost it what is on it.

        Painted twice: a terminal that is still being resized, as one that is torn between two sizes by a drag, may
        lose the first painting.
        """
        self.action_repaint()
        if self._repainting is not None:
            self._repainting.stop()
        self._repainting = self.set_timer(REPAINT_S, self._settle)

    def _settle(self) -> None:
        """The size is asked once more: of two changes at once, as at the start, the older may have been told last."""
        ask = getattr(self._driver, "_get_terminal_size", None)
        size = Size(*ask()) if ask is not None else self.size
        if size != self.size:
            self.post_message(Resize(size, size))
        self.action_repaint()

    def action_repaint(self) -> None:
        """Paints all that there is; also for a terminal that something else wrote into."""
        self._sent.forget()
        if self._screen_stack:
            self.screen.refresh()

    def on_app_blur(self) -> None:
        """Nobody looks at this terminal: the host is left alone."""
        self.session.threads.pause(True)

    def on_app_focus(self) -> None:
        self.session.threads.pause(False)
        self.session.threads.look_at_hosts_soon()
        self.action_repaint()

    def on_unmount(self) -> None:
        self.session.threads.stop()

    @work(thread=True, exit_on_error=False)
    def _adopt_orphans(self) -> None:
        """`vlad ls` takes care of runs whose keeper and supervisor are both gone."""
        answer = self.session.ask_vlad("ls", "--json")
        if not answer.is_done:
            self._tell(ActionFailed(answer.words))

    @work(thread=True, exclusive=True, group="orphans", exit_on_error=False)
    def _look_for_orphans(self) -> None:
        """Also those whose guard is killed while this dashboard is open."""
        here = [run.record for run in self.screen_of_runs.view.live if not run.site]
        found = self._orphans.look(here)
        if not found:
            return
        answer = self.session.ask_vlad("ls", "--json")
        names = ", ".join(record.name for record in here if record.run_id in found)
        words = tr("nobody looked after {runs} any more; vlad does again", runs=names)
        self._tell(ActionDone(words) if answer.is_done else ActionFailed(answer.words))

    def action_help(self) -> None:
        from vlatui.keys import key_groups

        groups = key_groups((type(self), DashboardScreen), self.get_key_display, self.focused)
        self.push_screen(TextScreen(tr("Keys"), lambda _: key_lines(groups)))

    def action_command_palette(self) -> None:
        """Textual's, which asks in the user's language."""
        from textual.command import CommandPalette

        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder=tr("Search for commands…"), id="--command-palette"))

    def search_themes(self) -> None:
        from textual.command import CommandPalette
        from textual.theme import ThemeProvider

        self.push_screen(CommandPalette(providers=[ThemeProvider], placeholder=tr("Search for themes…")))

    def action_picture(self) -> None:
        path = self.save_screenshot()
        self.notify(tr("saved {path}", path=path), markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every key of the dashboard, every run, themes."""
        yield SystemCommand(tr("Theme"), tr("Choose the colours"), self.action_change_theme)
        for binding in DashboardScreen.BINDINGS:
            assert isinstance(binding, Binding)
            if screen.check_action(*_action(binding)):
                described = tr(binding.tooltip) if binding.tooltip else self._key_help(binding)
                yield SystemCommand(tr(binding.description), described, self._does(binding.action))
        for run in self.screen_of_runs.view.runs:
            yield SystemCommand(
                tr("Go to {run}", run=run.run_id), tr(run.record.state.lower()), self._goes_to(run.run_id)
            )
        yield SystemCommand(tr("Keys"), tr("Everything that keys do"), self.action_help)
        yield SystemCommand(tr("Paint the screen again"), tr("key {keys}").format(keys="^l"), self.action_repaint)
        yield SystemCommand(tr("Picture"), tr("Save a picture of the screen (SVG)"), self.action_picture)
        yield SystemCommand(tr("Quit"), tr("The runs go on"), self.action_quit)

    def _key_help(self, binding: Binding) -> str:
        keys = " / ".join(self.get_key_display(one) for one in Binding.make_bindings([binding]))
        return tr("key {keys}", keys=keys)

    def _does(self, action: str) -> Callable[[], object]:
        return lambda: self.call_later(self.screen_of_runs.run_action, action)

    def _goes_to(self, run_id: str) -> Callable[[], object]:
        return lambda: self.screen_of_runs.go_to_run(run_id)


def _action(binding: Binding) -> tuple[str, tuple[object, ...]]:
    name, _, _ = binding.action.partition("(")
    return name, ()


def _below_user(path: Path) -> str:
    """A path with ~ for the user's own folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)


def run_app(home: Home, wanted: str | None, *, readonly: bool, mouse: bool, others: Sequence[Site] = ()) -> None:
    """Shows the dashboard until it is quit. Raises RecordError for a home that is not ours."""
    VlatuiApp(home.prepare(), wanted=wanted, readonly=readonly, others=others).run(mouse=mouse)
