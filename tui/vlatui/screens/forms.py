"""Forms for new runs, empty or filled from a run that exists, and lists of what a run can go on from."""

from vlad.records.adapters import Adapter
from vlad.records.home_view import RunView
from vlad.records.spec import RunSpec

from vlatui.asking.adapters import adapters_in, adapters_question
from vlatui.asking.start_form import StartForm, form_of
from vlatui.look.words import tr
from vlatui.screens.adapters import AdapterScreen
from vlatui.screens.new_run import NewRunScreen
from vlatui.session import Session


def new_form(session: Session, site: str) -> NewRunScreen:
    """An empty form for a run on `site`."""
    return NewRunScreen(session, StartForm(), site)


def form_like(session: Session, spec: RunSpec, site: str, resume: str = "") -> NewRunScreen:
    """A form filled with what a run was started with, to go on from the adapter `resume`."""
    return NewRunScreen(session, form_of(spec, resume), site)


def checkpoints_of(session: Session, run: RunView) -> AdapterScreen:
    """The checkpoints of a run that are still there, on its host."""

    def find() -> tuple[Adapter, ...]:
        return adapters_in(session.ask_vlad(*adapters_question(run_id=run.run_id), site=run.site))

    return AdapterScreen(tr("Resume {run} from", run=run.record.name), find, session.clock)
