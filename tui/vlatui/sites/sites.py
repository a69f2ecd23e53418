"""All hosts of one dashboard: which of them a run, a log or a path belongs to."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vlad.logs.content import LogContent
from vlad.logs.search import Matches
from vlad.records.home_view import HomeView

from vlatui.sites.local import LocalSite
from vlatui.sites.site import Site


class Sites:
    """This host first, then the others in the order they were named. Itself the place of all their logs."""

    def __init__(self, local: LocalSite, others: Sequence[Site] = ()) -> None:
        self.local = local
        self.all: tuple[Site, ...] = (local, *others)
        self._by_label = {site.label: site for site in self.all}

    @property
    def has_others(self) -> bool:
        return len(self.all) > 1

    def named(self, label: str) -> Site:
        """The site of this label; this host where there is none."""
        return self._by_label.get(label, self.local)

    def of_path(self, path: Path) -> Site:
        return next((site for site in self.all[1:] if path.is_relative_to(site.home.path)), self.local)

    def content(self, path: Path) -> LogContent:
        return self.of_path(path).content(path)

    def search(self, path: Path, pattern: str, is_cancelled: Callable[[], bool]) -> Matches:
        return self.of_path(path).search(path, pattern, is_cancelled)

    def near(self, path: Path) -> Path:
        return self.of_path(path).near(path)

    def called(self, path: Path) -> str:
        return self.of_path(path).called(path)


def merged(path: str, views: Iterable[HomeView]) -> HomeView:
    """The runs of all homes as of one, live ones first, then newest first; one that several list is listed once."""
    views = tuple(views)
    if len(views) == 1:
        return views[0]
    runs = {run.run_id: run for view in reversed(views) for run in view.runs}
    newest = sorted(runs.values(), key=lambda run: run.record.created_at, reverse=True)
    return HomeView(
        path, tuple(sorted(newest, key=lambda run: not run.is_live)),
        tuple(one for view in views for one in view.unreadable), any(view.has_older for view in views),
    )  # fmt: skip
