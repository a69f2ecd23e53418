"""Requests are on record before they are gone, and are done once."""

import select

import pytest
from supervised_runs import Lab, Run
from vlad.records.progress import RequestDone
from vlad.records.requests import Action, pending_requests, send_request
from vlad.records.run import Moved, Requested, State
from vlad.report import Reporter
from vlad.supervise.chronicle import Chronicle
from vlad.supervise.follow import ProgressFollower
from vlad.supervise.inbox import Inbox


@pytest.fixture
def run(lab: Lab) -> Run:
    return lab.create(lab.spec("true"))


def inbox_in(run: Run, *states: State) -> Inbox:
    writer = Chronicle(run.directory)
    for state in states:
        writer.append(Moved(**writer.stamp(), state=state))
    return Inbox(run.directory, writer)


def details(run: Run) -> list[str]:
    return [event.detail for event in run.events if isinstance(event, Requested)]


def handed_on(run: Run) -> list[Action]:
    return [request.action for _, request in pending_requests(run.directory.trainer_requests)]


def test_a_stop_is_put_on_record_and_removed(run: Run) -> None:
    inbox = inbox_in(run, State.STARTING, State.RUNNING)
    run.ask(Action.STOP)
    inbox.consume()
    assert run.record.stop_requested
    assert pending_requests(run.directory.requests) == []


@pytest.mark.parametrize("action", [Action.SAVE, Action.EVALUATE])
def test_what_concerns_the_trainer_reaches_it_while_it_runs(run: Run, action: Action) -> None:
    inbox = inbox_in(run, State.STARTING, State.RUNNING)
    run.ask(action)
    inbox.consume()
    assert handed_on(run) == [action]


@pytest.mark.parametrize("action", [Action.SAVE, Action.EVALUATE])
def test_what_concerns_a_trainer_that_does_not_run_is_refused(run: Run, action: Action) -> None:
    inbox = inbox_in(run, State.STARTING)
    run.ask(action)
    inbox.consume()
    assert handed_on(run) == []
    assert details(run) == ["refused: the run is STARTING"]


def test_a_request_whose_file_outlived_a_kill_is_done_once(run: Run) -> None:
    inbox = inbox_in(run, State.STARTING, State.RUNNING)
    request = send_request(run.directory.requests, Action.SAVE, "me")
    content = (run.directory.requests / f"{request.id}.json").read_bytes()
    inbox.consume()
    for path, _ in pending_requests(run.directory.trainer_requests):
        path.unlink()
    (run.directory.requests / f"{request.id}.json").write_bytes(content)
    inbox.consume()
    assert handed_on(run) == []
    assert len(details(run)) == 1
    assert pending_requests(run.directory.requests) == []


def test_what_the_trainer_has_answered_is_cleared_and_the_rest_kept(run: Run) -> None:
    inbox = inbox_in(run, State.STARTING, State.RUNNING)
    first = send_request(run.directory.requests, Action.SAVE, "me")
    run.ask(Action.EVALUATE)
    inbox.consume()
    with Reporter(run.directory.path) as reporter:
        reporter.progress(RequestDone(at=0, request_id=first.id))
    inbox.clear_answered(ProgressFollower(run.directory))
    assert handed_on(run) == [Action.EVALUATE]
    inbox.clear_trainer()
    assert handed_on(run) == []


def test_a_resume_waits_for_a_run_that_has_ended(run: Run) -> None:
    inbox = inbox_in(run, State.STARTING, State.FAILED)
    run.ask(Action.RESUME)
    waiting = inbox.resume_request()
    assert waiting is not None
    inbox.record(waiting, "resumed")
    assert inbox.resume_request() is None


def wakes(inbox: Inbox) -> bool:
    handle = inbox.wakes_at_request
    assert handle is not None
    return bool(select.select([handle], [], [], 0)[0])


def test_a_request_wakes_until_it_is_noticed_and_is_taken_then(run: Run) -> None:
    inbox = inbox_in(run, State.STARTING, State.RUNNING)
    inbox.consume()
    assert not wakes(inbox)
    run.ask(Action.STOP)
    assert wakes(inbox)
    inbox.notice()
    assert not wakes(inbox)
    inbox.consume()
    assert run.record.stop_requested
    inbox.close()


def test_where_no_folder_can_be_watched_one_must_look_and_the_watch_comes_with_the_folder(run: Run) -> None:
    inbox = inbox_in(run, State.STARTING, State.RUNNING)
    run.directory.requests.rmdir()
    inbox.consume()
    assert inbox.wakes_at_request is None
    run.ask(Action.STOP)
    inbox.consume()
    assert run.record.stop_requested
    assert inbox.wakes_at_request is not None
    inbox.close()
