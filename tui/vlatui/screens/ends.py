"""Tells that a run has ended: a notice, and where it is wanted the bell and a notification of the desktop."""

from textual import work
from vlad.records.home_view import HomeView
from vlad.records.run import State

from vlatui.asking import outside
from vlatui.asking.desktop import desktop_notification
from vlatui.look.words import tr
from vlatui.screens.navigation import Navigation
from vlatui.telling import describe

END_S = 10.0
AFTER_THIS = {
    (False, False): (True, False),
    (True, False): (False, True),
    (False, True): (True, True),
    (True, True): (False, False),
}
"""What the key goes through: (bell, notification of the desktop)."""
SAID = {
    (False, False): "no bell and no desktop notification when a run ends",
    (True, False): "the bell rings when a run ends",
    (False, True): "a desktop notification comes when a run ends",
    (True, True): "the bell rings and a desktop notification comes when a run ends",
}


class Ends(Navigation):
    """A screen of runs that tells when one ends."""

    _notices_above = -1

    def tell_ends(self, before: HomeView, now: HomeView) -> None:
        """Tells of every run that has just ended."""
        for run in now.runs:
            was = before.find(run.run_id)
            if was is None or not was.is_live or run.is_live:
                continue
            is_bad = run.record.state is State.FAILED
            why = describe.outcome(run.record) or tr("w says why")
            words = f"{run.record.name} {tr(run.record.state.lower())}: {why}"
            self.notify(words, severity="error" if is_bad else "information", timeout=END_S, markup=False)
            if self.session.settings.rings:
                self.app.bell()
            if self.session.settings.notifies:
                self._tell_desktop(words)

    def action_bell(self) -> None:
        """The next of: nothing, bell, desktop notification, both. The latter two show at once how they look."""
        settings = self.session.settings
        now = AFTER_THIS[settings.rings, settings.notifies]
        self.session.remember(rings=now[0], notifies=now[1])
        self.notify(tr(SAID[now]), timeout=4, markup=False)
        if now[1] and not settings.notifies:
            self._tell_desktop(tr("this is how the end of a run is told"))

    @work(thread=True, group="desktop", exit_on_error=False)
    def _tell_desktop(self, words: str) -> None:
        """Asks the terminal for it; in a thread, because tmux is asked for its own terminal first."""
        terminal = outside.terminal()
        if terminal.keeps_back:
            self.app.call_from_thread(self.warn, tr("tmux keeps it back: tmux set -g allow-passthrough on"))
        elif text := desktop_notification(words, terminal):
            self.app.call_from_thread(self.write_to_terminal, text)

    def write_to_terminal(self, text: str) -> None:
        """Sends the terminal what is no part of the picture."""
        driver = self.app._driver
        if driver is not None:
            driver.write(text)

    def place_notices(self, *, above: int) -> None:
        """Notices leave so many lines at the bottom free: the line below the log says what goes on."""
        if above != self._notices_above:
            self._notices_above = above
            for rack in self.query("#textual-toastrack"):
                rack.styles.margin = (0, 0, above, 0)
