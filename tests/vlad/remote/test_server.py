"""What `vlad serve` answers: the runs, their records and logs by position, and vlad's own verbs; nothing else."""

import json
import os
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_runs import FakeRun, many_states
from patience import PATIENCE_S
from vlad.records.home_view import PartsWanted
from vlad.records.rundir import Home, RunDirectory
from vlad.remote.frames import PREAMBLE, BrokenFrame, FrameReader, write_frame
from vlad.remote.protocol import (
    PROTOCOL,
    Act,
    Acted,
    Ask,
    Asked,
    CountLines,
    FilesRead,
    Found,
    FromServer,
    Hello,
    LinesCounted,
    LogLooked,
    LogName,
    LogRead,
    LookAtHost,
    LookAtLog,
    LookAtProcesses,
    LookAtRuns,
    ReadFiles,
    ReadLog,
    Refused,
    Replied,
    Reply,
    RunsSeen,
    SearchLog,
)

CONSOLE = "attempts/1/console.log"


class Client:
    """A real `vlad serve --stdio` at the other end of two pipes."""

    def __init__(self, home: Home, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vlad.cli", "serve", "--stdio", *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "VLAD_HOME": str(home.path)},
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.questions = self.process.stdin
        self.reader: FrameReader[Hello | Replied] = FrameReader(self.process.stdout.fileno(), FromServer)
        self.reader.skip_preamble()
        hello = self.reader.next()
        assert isinstance(hello, Hello)
        self.hello = hello
        self.asked = 0

    def ask(self, ask: Ask) -> Reply:
        self.asked += 1
        write_frame(self.questions.fileno(), Asked(number=self.asked, ask=ask))
        said = self.reader.next()
        assert isinstance(said, Replied)
        assert said.number == self.asked
        return said.reply

    def close(self) -> int:
        self.questions.close()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def runs(home: Home) -> dict[str, RunDirectory]:
    return many_states(home)


@pytest.fixture
def client(home: Home, runs: dict[str, RunDirectory]) -> Iterator[Client]:
    made = Client(home)
    yield made
    made.close()


def test_it_says_who_it_is_and_ends_with_its_questions(home: Home) -> None:
    client = Client(home.prepare())
    assert (client.hello.protocol, client.hello.home) == (PROTOCOL, str(home.path))
    assert client.close() == 0


def test_the_runs_come_whole_once_and_then_as_far_as_they_changed(
    client: Client, runs: dict[str, RunDirectory]
) -> None:
    first = client.ask(LookAtRuns(is_first=True))
    assert isinstance(first, RunsSeen)
    assert {run.run_id for run in first.changed} == {run.run_id for run in runs.values()} == set(first.order)
    again = client.ask(LookAtRuns())
    assert again == RunsSeen(order=first.order)
    with runs["training"].progress.open("ab") as file:
        file.write(b'{"kind":"step","at":1795340001,"step":316,"loss":0.1}\n')
    changed = client.ask(LookAtRuns())
    assert isinstance(changed, RunsSeen)
    assert [(run.run_id, run.summary.step) for run in changed.changed] == [(runs["training"].run_id, 316)]


def test_ended_parts_come_when_they_are_wanted(client: Client, home: Home, runs: dict[str, RunDirectory]) -> None:
    whole, part = runs["training"].run_id, "20261122-1100-eval-0000"
    FakeRun(home, part, age_s=10, part_of=whole).succeed()
    folded, listed = (client.ask(LookAtRuns(parts=PartsWanted(of=of))) for of in (frozenset(), frozenset({whole})))
    assert isinstance(folded, RunsSeen)
    assert isinstance(listed, RunsSeen)
    assert set(listed.order) - set(folded.order) == {part}
    assert [run.ended_parts for run in folded.changed if run.run_id == whole] == [1]


def test_records_come_by_offset(client: Client, runs: dict[str, RunDirectory]) -> None:
    run = runs["training"]
    read = client.ask(ReadFiles(run_id=run.run_id))
    assert isinstance(read, FilesRead)
    assert {piece.mark.name: piece.content for piece in read.pieces} == {
        path.name: path.read_bytes() for path in (run.spec, run.state, run.events, run.progress, run.evaluations)
    }
    assert [log.name for log in read.logs] == [CONSOLE]
    marks = tuple(piece.mark for piece in read.pieces)
    with run.progress.open("ab") as file:
        file.write(b"{}\n")
    more = client.ask(ReadFiles(run_id=run.run_id, marks=marks))
    assert isinstance(more, FilesRead)
    old_size = next(mark.size_bytes for mark in marks if mark.name == "progress.jsonl")
    assert [(piece.mark.name, piece.offset, piece.content) for piece in more.pieces] == [
        ("progress.jsonl", old_size, b"{}\n")
    ]


def test_a_log_is_looked_at_read_counted_and_searched(client: Client, runs: dict[str, RunDirectory]) -> None:
    log = LogName(run_id=runs["training"].run_id, name=CONSOLE)
    content = runs["training"].attempt(1).console.read_bytes()
    looked = client.ask(LookAtLog(log=log))
    assert isinstance(looked, LogLooked)
    assert looked.size_bytes == len(content)
    assert client.ask(ReadLog(log=log, offset=100, count=50)) == LogRead(content=content[100:150])
    counted = client.ask(CountLines(log=log, offset=0, end=len(content)))
    assert counted == LinesCounted(newlines=(315,), read_bytes=len(content), ends_open=False)
    found = client.ask(SearchLog(log=log, pattern="step 31[0-9] "))
    assert isinstance(found, Found)
    assert list(array("Q", found.lines)) == [309, 310, 311, 312, 313, 314]


@pytest.mark.parametrize(
    "ask",
    [
        ReadLog(log=LogName(run_id="../../etc", name=CONSOLE), offset=0, count=1),
        ReadLog(log=LogName(run_id="20261122-0931-tabletop_demo-7f3a", name="../spec.json"), offset=0, count=1),
        ReadLog(log=LogName(run_id="20261122-0931-tabletop_demo-7f3a", name="attempts/../../x"), offset=0, count=1),
        ReadLog(log=LogName(name="/etc/passwd"), offset=0, count=1),
        ReadFiles(run_id="nothing"),
        LookAtProcesses(run_id="/etc"),
        SearchLog(log=LogName(name="/etc/passwd"), pattern="root"),
        Act(arguments=()),
        Act(arguments=("serve", "--stdio")),
        Act(arguments=("ls", "a\0b")),
        Act(arguments=("ls", "x" * 10_000)),
    ],
    ids=str,
)
def test_what_is_not_of_a_run_and_no_verb_is_refused(client: Client, ask: Ask) -> None:
    assert isinstance(client.ask(ask), Refused)


def test_a_verb_is_run_by_its_arguments_and_no_shell(client: Client, tmp_path: Path) -> None:
    listed = client.ask(Act(arguments=("ls", "--json")))
    assert isinstance(listed, Acted)
    assert listed.code == 0
    assert len(json.loads(listed.output)) == 6
    bad = client.ask(Act(arguments=("show", f"$(touch {tmp_path}/made)")))
    assert isinstance(bad, Acted)
    assert bad.code == 2
    assert "no run fits" in bad.errors
    assert not (tmp_path / "made").exists()


def test_a_reader_may_only_read(home: Home, runs: dict[str, RunDirectory]) -> None:
    client = Client(home, "--readonly")
    refused = client.ask(Act(arguments=("rm", runs["failed"].run_id)))
    assert isinstance(refused, Refused)
    assert runs["failed"].path.is_dir()
    client.close()


def test_the_host_is_told(client: Client) -> None:
    assert client.ask(LookAtHost()).__class__.__name__ == "HostSeen"


def test_chatter_before_the_preamble_is_skipped_and_a_broken_frame_is_told() -> None:
    readable, writable = os.pipe()
    os.write(writable, b"Welcome to gpubox!\r\n" + PREAMBLE + b"\x00\x00\x00\x02\xc1\xc1")
    os.close(writable)
    reader: FrameReader[Asked] = FrameReader(readable, Asked)
    assert reader.skip_preamble() == b"Welcome to gpubox!\r\n"
    with pytest.raises(BrokenFrame, match="cannot be read"):
        reader.next()
    os.close(readable)


def test_it_speaks_to_no_terminal_and_listens_on_no_port(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vlad.cli", "serve"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "say --stdio" in done.stderr
