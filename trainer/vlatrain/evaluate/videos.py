"""Videos of episodes: encoded beside the rollout while they are played, kept or thrown away when they end."""

import logging
import os
import re
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from vlatrain.configuration.simulation import Videos
from vlatrain.evaluate.results import Episode, Outcome
from vlatrain.evaluate.venue import Image

log = logging.getLogger(__name__)

FPS = 30  # as the original script
LONGEST_TASK = 50  # letters of a task in a file's name, as the original script
CODECS = ("libx264", "mpeg4")
UNFINISHED = ".*.mp4"
LEFT_BEHIND_S = 24 * 3600.0
MOST_WAITING = 512
"""Pictures that wait to be encoded, 100 MB of them; more are waited for."""


@dataclass(slots=True)
class Film:
    """One episode's video, in a file aside until it is known whether it is kept."""

    path: Path
    container: Any
    stream: Any

    def add(self, image: Image) -> None:
        import av

        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        for packet in self.stream.encode(frame):
            self.container.mux(packet)

    def close(self) -> None:
        for packet in self.stream.encode():
            self.container.mux(packet)
        self.container.close()


@dataclass(slots=True)
class Films:
    """The videos of an evaluation in `folder`. `is_first(task, success)` answers yes once for each, over all ranks.

    A thread does it all, in order: 64 pictures take some 30 ms, for which neither model nor simulators shall wait.
    `kept` and `remark` are known once it is closed.
    """

    folder: Path
    tasks: tuple[str, ...]
    which: Videos
    is_first: Callable[[int, bool], bool]
    process: int = field(default_factory=os.getpid)
    kept: list[str] = field(default_factory=list)
    remark: str | None = None
    _running: dict[Episode, Film] = field(default_factory=dict)
    _complete: set[int] = field(default_factory=set)
    _seen: dict[int, set[bool]] = field(default_factory=dict)
    _has_swept: bool = False
    _thread: ThreadPoolExecutor | None = None
    _waiting: deque[Future[None]] = field(default_factory=deque)

    def follows(self, episode: Episode) -> bool:
        """Whether a picture of the episode may still be wanted."""
        return self.which is not Videos.NONE and self.remark is None and episode.task not in self._complete

    def see(self, episode: Episode, image: Image, *, is_start: bool) -> None:
        """The next picture of an episode, which is copied; `is_start` throws away what was filmed of an earlier try."""
        if self.follows(episode):
            self._later(self._see, episode, image.copy(), is_start)

    def end(self, episode: Episode, outcome: Outcome) -> None:
        """Keeps or throws away what was filmed."""
        if self._thread is not None:
            self._later(self._end, episode, outcome)

    def close(self) -> None:
        """Throws away what is still being filmed. Raises what the thread raised."""
        try:
            self.wait()
        finally:
            if self._thread is not None:
                self._thread.shutdown(cancel_futures=True)
            for episode in list(self._running):
                self._discard(episode)

    def wait(self) -> None:
        """Until the thread has done all that there is. Raises what it raised."""
        while self._waiting:
            self._waiting.popleft().result()

    def _later(self, do: Callable[..., None], *words: Any) -> None:
        """Has the thread do it. Raises what it raised over earlier ones."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= MOST_WAITING):
            self._waiting.popleft().result()
        self._thread = self._thread or ThreadPoolExecutor(1, "films")
        self._waiting.append(self._thread.submit(do, *words))

    def _see(self, episode: Episode, image: Image, is_start: bool) -> None:
        if not self.follows(episode):
            return
        try:
            if is_start:
                self._discard(episode)
                self._running[episode] = _started(self._unfinished(episode), image)
            if episode in self._running:
                self._running[episode].add(image)
        except (OSError, ImportError) as error:
            self.remark = f"no videos: {error}"

    def _unfinished(self, episode: Episode) -> Path:
        """Where an episode is filmed: other runs may do so in this folder, too. What killed ones left behind goes."""
        if not self._has_swept:
            self._has_swept = True
            sweep(self.folder.parent, time.time())
        return self.folder / f".{episode.task}-{episode.trial}-{os.uname().nodename}-{self.process}.mp4"

    def _end(self, episode: Episode, outcome: Outcome) -> None:
        film = self._running.pop(episode, None)
        if film is None:
            return
        try:
            film.close()
            if outcome.failure is None and self._is_wanted(episode, outcome):
                final = film.path.with_name(file_name(episode, outcome, self.tasks[episode.task]))
                film.path.rename(final)
                self.kept.append(str(final))
            else:
                film.path.unlink(missing_ok=True)
        except OSError as error:
            self.remark = f"no videos: {error}"

    def _is_wanted(self, episode: Episode, outcome: Outcome) -> bool:
        if self.which is Videos.ALL:
            return True
        seen = self._seen.setdefault(episode.task, set())
        if outcome.success in seen:
            return False
        seen.add(outcome.success)
        if len(seen) == 2:
            self._complete.add(episode.task)
        return self.is_first(episode.task, outcome.success)

    def _discard(self, episode: Episode) -> None:
        film = self._running.pop(episode, None)
        if film is not None:
            film.container.close()
            film.path.unlink(missing_ok=True)


def sweep(rollouts: Path, now: float) -> None:
    """Removes the videos in the folders of `rollouts` that were begun a day ago (`now` in Unix seconds), and never
    finished. Raises OSError.
    """
    for path in rollouts.glob(f"*/{UNFINISHED}"):
        if now - path.stat().st_mtime > LEFT_BEHIND_S:
            path.unlink(missing_ok=True)


def file_name(episode: Episode, outcome: Outcome, task: str) -> str:
    """As the original script names them."""
    told = re.sub(r"[\s.]", "_", task.lower())[:LONGEST_TASK]
    at = time.strftime("%Y_%m_%d-%H_%M_%S")
    return f"{at}--episode={episode.trial + 1}--success={outcome.success}--task={told}.mp4"


def _started(path: Path, image: Image) -> Film:
    """Raises ImportError without PyAV, OSError where the disk does not take it."""
    av = _av()
    path.parent.mkdir(parents=True, exist_ok=True)
    container = av.open(str(path), "w", format="mp4")
    codec = next(name for name in CODECS if name in av.codecs_available)
    stream = container.add_stream(codec, rate=FPS)
    stream.height, stream.width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    stream.pix_fmt = "yuv420p"
    return Film(path, container, stream)


def _av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise ImportError("PyAV writes them: pip install av, or set eval_videos none") from error
    return av
