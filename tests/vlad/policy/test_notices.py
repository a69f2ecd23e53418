"""What users are told about, and that telling them never hurts a run."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from command_line import Vlad
from letterbox import Letterbox, letterbox
from patience import until
from supervised_runs import Lab, Run
from vlad.policy.advice import Advice
from vlad.policy.notices import Notice, Occasion, notice_of, progress_line
from vlad.records.outcome import Cause, Diagnosis, Exit
from vlad.records.progress import Evaluation, Reason
from vlad.records.run import Attempt, RunRecord, State
from vlad.records.spec import Kind, RestartPolicy
from vlad.records.summary import Summary

OOM = Diagnosis(cause=Cause.CUDA_OUT_OF_MEMORY, summary="CUDA ran out of memory", advice="lower batch_size")
HUNG = Diagnosis(cause=Cause.HUNG, summary="no step for 20 minutes")


def record(state: State, diagnosis: Diagnosis | None = None, reason: Reason | None = None) -> RunRecord:
    attempt = Attempt(number=1, started_at=0, exit=Exit(at=1, code=1), diagnosis=diagnosis)
    return RunRecord(
        run_id="20261122-0931-demo-7f3a", name="demo", state=state, seq=9, created_at=0, updated_at=3700, host="box",
        why="as it happened", reason=reason, attempts=(attempt,),
    )  # fmt: skip


OCCASIONS = {
    "crash that is restarted": (record(State.BACKOFF, OOM), {Occasion.CRASH}),
    "hang that is restarted": (record(State.BACKOFF, HUNG), {Occasion.HANG}),
    "crash": (record(State.FAILED, OOM), {Occasion.END, Occasion.CRASH}),
    "hang": (record(State.FAILED, HUNG), {Occasion.END, Occasion.HANG}),
    "never begun": (record(State.FAILED), {Occasion.END}),
    "early stop": (record(State.SUCCEEDED, None, Reason.EARLY_STOP), {Occasion.END, Occasion.EARLY_STOP}),
    "success": (record(State.SUCCEEDED, None, Reason.MAX_STEPS), {Occasion.END}),
    "stopped": (record(State.STOPPED), {Occasion.END}),
    "start": (record(State.STARTING, OOM), None),
    "step": (record(State.RUNNING, OOM), None),
    "queue": (record(State.QUEUED), None),
}


@pytest.mark.parametrize(("after", "occasions"), OCCASIONS.values(), ids=OCCASIONS.keys())
def test_occasions(after: RunRecord, occasions: set[Occasion] | None) -> None:
    notice = notice_of(after)
    assert (None if notice is None else set(notice.occasions)) == occasions


def test_a_notice_says_what_happened_why_and_what_to_do() -> None:
    notice = notice_of(record(State.FAILED, OOM))
    assert isinstance(notice, Notice)
    assert notice.title == "demo FAILED: CUDA ran out of memory"
    assert notice.body.splitlines() == [
        "as it happened", "CUDA ran out of memory", "lower batch_size", "20261122-0931-demo-7f3a on box, after 1h 01m",
    ]  # fmt: skip


def test_a_notice_of_a_restart_asks_nobody_to_resume() -> None:
    killed = Diagnosis(cause=Cause.KILLED, summary="killed", advice=Advice.NOT_OUT_OF_MEMORY)
    failed, restarts = notice_of(record(State.FAILED, killed)), notice_of(record(State.BACKOFF, killed))
    assert failed is not None
    assert restarts is not None
    assert f"{Advice.NOT_OUT_OF_MEMORY}\n" in failed.body
    assert "no kill for lack of memory\n" in restarts.body


def test_a_notice_about_a_part_says_of_which_run() -> None:
    part = msgspec.structs.replace(record(State.FAILED, OOM), part_of="20261122-0930-spatial-a1b2")
    notice = notice_of(part)
    assert notice is not None
    assert notice.title == "demo of spatial FAILED: CUDA ran out of memory"


def test_progress_is_one_line_and_empty_where_nothing_was_told() -> None:
    last = Evaluation(
        at=1, step=40, suite="s", successes=42, episodes=50, success_rate=84.0, low=70, high=93, best=86, best_step=20
    )
    told = progress_line(Summary(step=40, max_steps=100, loss=0.25, last_evaluation=last, best=86.0, best_step=20))
    assert told == "step 40 of 100, loss 0.2500, success 84% of 50, best 86% at step 20"
    assert progress_line(Summary()) == ""


# Real runs, and a letterbox on this machine


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Letterbox]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with letterbox() as server:
        configure(tmp_path, f"notify: {{urls: ['{server.url}']}}")
        yield server


def configure(folder: Path, content: str) -> None:
    (folder / "vlad").mkdir(exist_ok=True)
    (folder / "vlad" / "config.yaml").write_text(content)


def test_crash_and_end_are_told_with_the_progress(lab: Lab, box: Letterbox) -> None:
    job = lab.counting("--steps", "8", "--save-steps", "2", "--fail-at", "3", ranks=1)
    lab.start(*job, kind=Kind.TRAIN, restart=RestartPolicy(budget=1, backoff_s=0.05)).until_ended()
    until(lambda: len(box.letters) == 2, box.letters)
    by_title = {letter["title"].split(":")[0]: letter["message"] for letter in box.letters}
    assert set(by_title) == {"test restarts", "test FAILED"}
    assert by_title["test FAILED"].startswith("step 3 of 8, loss 0.3333")


def _is_left_alone(run: Run) -> bool:
    return not run.guards()


def test_only_what_is_wanted_is_told(lab: Lab, box: Letterbox, tmp_path: Path) -> None:
    configure(tmp_path, f"notify: {{urls: ['{box.url}'], about: [crash]}}")
    for word in ("true", "false"):
        run = lab.start(word)
        run.until_ended()
        until(partial(_is_left_alone, run), "the end of its notifier too")
    assert [title.partition(":")[0] for title in box.titles] == ["test FAILED"]


FAILURES = {
    "refused": ("notify: {urls: ['json://127.0.0.1:9/x']}", "address 1 of notify.urls (json) was not reached"),
    "no address": ("notify: {urls: ['nonsense-secret']}", "address 1 of notify.urls is none that apprise knows"),
    "no configuration": ("notify: [", "config.yaml"),
}


@pytest.mark.parametrize(("content", "told"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failing_notifier_hurts_no_run_and_is_on_record_without_secrets(
    lab: Lab, box: Letterbox, tmp_path: Path, content: str, told: str
) -> None:
    configure(tmp_path, content)
    run = lab.start("true")
    assert run.until_ended().state is State.SUCCEEDED
    until(lambda: told in run.directory.supervisor_log.read_text(), "its complaint")
    assert "secret" not in run.directory.supervisor_log.read_text()


def test_a_run_does_not_wait_for_its_notifier(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration is a pipe into which nobody writes: the notifier waits, the run does not."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vlad").mkdir()
    os.mkfifo(tmp_path / "vlad" / "config.yaml")
    run = lab.start("true")
    until(lambda: run.record.state.is_final, "the end")
    assert run.record.state is State.SUCCEEDED


def test_notify_sends_a_message_or_says_why_not(
    vlad: Vlad, box: Letterbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = vlad("notify", "hello")
    assert answer.code == 0, answer.err
    assert [letter["message"] for letter in box.letters] == ["hello"]
    box.status = 500
    assert "was not reached" in vlad("notify").err
    configure(tmp_path, "")
    assert "nobody to tell" in vlad("notify").err
    configure(tmp_path, f"notify: {{urls: ['{box.url}']}}")
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert "vlatui[notify]" in vlad("notify").err
