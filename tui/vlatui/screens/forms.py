"""Forms for new runs, empty or filled from a run that exists, and lists of what a run can go on from."""

from collections.abc import Sequence
from pathlib import Path

from vlad.records.home_view import RunView
from vlad.records.spec import RunSpec

from vlatui.asking.start_form import StartForm, form_of
from vlatui.reading.adapters import Adapter, adapters_told, evaluations_of, find_adapters
from vlatui.screens.adapters import AdapterScreen
from vlatui.screens.new_run import NewRunScreen
from vlatui.session import Session


def new_form(session: Session, runs: Sequence[RunView], site: str) -> NewRunScreen:
    """An empty form for a run on `site`; `runs` are those whose adapters it offers."""
    return _form(session, runs, StartForm(), site)


def form_like(session: Session, runs: Sequence[RunView], spec: RunSpec, site: str, resume: str = "") -> NewRunScreen:
    """A form filled with what a run was started with, to go on from the adapter `resume`."""
    return _form(session, runs, form_of(spec, resume), site)


def checkpoints_of(session: Session, run: RunView, saved: str) -> AdapterScreen:
    """The checkpoints beside `saved`, one of the run's; of a run elsewhere those that it has told of."""
    site = session.sites.named(run.site)
    directory = site.home.run(run.run_id)

    def find() -> tuple[Adapter, ...]:
        if site.label:
            return adapters_told(directory)
        return find_adapters([Path(saved).parent], evaluations_of([directory]))

    return AdapterScreen(f"Resume {run.record.name} from", find, session.clock)


def _form(session: Session, runs: Sequence[RunView], filled_in: StartForm, site: str) -> NewRunScreen:
    """Adapters are looked for where the configuration says, and beside every checkpoint that a run there told of."""
    there = [run for run in runs if run.site == site]
    told = [(run.run_id, Path(saved.path).parent) for run in there if (saved := run.summary.last_checkpoint)]
    home = session.sites.named(site).home

    def find(folders: list[Path]) -> tuple[Adapter, ...]:
        directories = [home.run(run_id) for run_id, _ in told]
        if site:
            return tuple(adapter for directory in directories for adapter in adapters_told(directory))
        return find_adapters([*folders, *(folder for _, folder in told)], evaluations_of(directories))

    return NewRunScreen(session, filled_in, find, site)
