"""One visit to a home of runs: where, what may be done, what the threads look at, and what is remembered."""

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from textual.message import Message
from vlad.policy.secrets import redacted

from vlatui.asking.messages import ActionFailed
from vlatui.look.words import tr
from vlatui.reading.threads import Threads
from vlatui.settings import MOST_STARTED, Settings, load_settings, merged, save_settings
from vlatui.sites.sites import Sites
from vlatui.sites.vlad import Answer


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """`clock` gives Unix seconds; `tell` takes what threads find."""

    sites: Sites
    home_name: str
    settings_path: Path
    threads: Threads
    tell: Callable[[Message], object]
    wanted: str | None = None
    readonly: bool = False
    clock: Callable[[], float] = time.time
    settings: Settings = field(default_factory=Settings)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _changed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.settings = load_settings(self.settings_path)

    def remember(self, **changes: object) -> None:
        """Keeps settings for the next visit; written by a thread that the end of the program waits for."""
        self.settings = msgspec.structs.replace(self.settings, **changes)
        self._changed = self._changed.union(changes)  # a new one: a thread may be looking at the old one
        threading.Thread(target=self._write, name="settings").start()

    def remember_started(self, line: str) -> None:
        """Keeps the arguments of a `vlad start` as the newest line of the history; those with a secret are not kept."""
        try:
            has_secret = redacted(shlex.split(line)) != shlex.split(line)
        except ValueError:
            return
        if line.strip() and not has_secret:
            others = [one for one in self.settings.started if one != line]
            self.remember(started=(*others[1 - MOST_STARTED :], line))

    def _write(self) -> None:
        """Writes the newest settings, so that several changes at once end with the last of them.

        What was not changed here stays as another dashboard has left it.
        """
        with self._writing:
            try:
                save_settings(
                    self.settings_path, merged(load_settings(self.settings_path), self.settings, self._changed)
                )
            except OSError as error:
                self.tell(ActionFailed(tr("settings cannot be kept: {error}", error=error)))

    def ask_vlad(self, *arguments: str, site: str = "") -> Answer:
        """Runs `vlad` on the host of that name and waits for it; not being able to is an answer too."""
        return self.sites.named(site).vlad(arguments)
