"""The dashboard against what else there is, in one run: first picture, idling, a log of 1 GB, latency, a flood.

    python benchmarks/dashboard.py [--size-mb 1000] [--only first,idle,log,latency,flood]

Programs run in terminals of their own, 160x48 (for the log: in tmux). toolong goes into a scratch environment that
this script makes; lnav is taken where it is installed. Figures are of this machine at this moment: only ratios, taken
side by side, mean more.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from log_programs import large_log, tools_in
from terminal_program import OURS, Figures, TerminalProgram, program, since
from vlad.records.files import JournalWriter
from vlad.records.progress import Plan, Step
from vlad.records.run import AgentStarted, AttemptStarted, Created, Moved, ProcessIdentity, RunRecord, State, fold
from vlad.records.rundir import Home, RunDirectory

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "dashboard.json"
WIDGETS = 30
STARTS = 7


def live_run(home: Home, number: int) -> RunDirectory:
    """A run of nobody that looks live: the dashboard only reads."""
    run = home.run(f"20261122-{900 + number:04d}-benchmark-{number:04x}")
    (run.path / "attempts" / "1").mkdir(parents=True)
    now, nobody = time.time(), ProcessIdentity(pid=2, start_ticks=1, boot_id="-")
    events = (
        Created(seq=1, at=now, run_id=run.run_id, name="benchmark", nproc=2, host="here", tty=None, cwd="/"),
        Moved(seq=2, at=now, state=State.STARTING),
        AttemptStarted(seq=3, at=now, number=1, argv=("x",)),
        AgentStarted(seq=4, at=now, number=1, agent=nobody),
        Moved(seq=5, at=now, state=State.RUNNING),
    )
    record: RunRecord | None = None
    journal = JournalWriter(run.events)
    for event in events:
        journal.append(msgspec.json.encode(event), durable=False)
        record = fold(record, event)
    journal.close()
    assert record is not None
    run.write_record(record)
    report(run, Plan(at=now, max_steps=10_000, save_steps=1000, ranks=2))
    run.attempt(1).console.write_bytes(b"")
    home.mark_live(run.run_id)
    return run


def report(run: RunDirectory, line: msgspec.Struct) -> None:
    with run.progress.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


BARE = (sys.executable, str(HERE / "bare_apps.py"))


def first_picture(home: Home) -> Figures:
    """From the command to the first words on the screen, by turns; the first turn, which compiles, is left out."""
    live_run(home, 0)
    took: dict[str, list[float]] = {"vlatui": [], "bare": []}
    for turn in range(STARTS + 1):
        for name, argv, words in (("vlatui", OURS, "benchmark"), ("bare", (*BARE, "bare", str(WIDGETS)), "ready 0")):
            with program(*argv, home=home) as running:
                shown = running.until_shown(words)
                took[name] += [shown - running.started_at] if turn and shown else []
    ours, bare = (statistics.median(took[name]) for name in ("vlatui", "bare"))
    return {"vlatui_s": ours, "bare_textual_app_s": bare, "widgets": WIDGETS, "ratio": ours / bare}


def idle(home: Home, runs: int = 20, seconds: float = 20.0) -> Figures:
    """Twenty live runs that report once a second: processor time and bytes to the terminal."""
    directories = [live_run(home, number) for number in range(runs)]
    found: Figures = {"runs": runs}
    for name, argv in (("vlatui", OURS), ("data_table", (*BARE, "listed", str(home.path)))):
        stop = threading.Event()
        writer = threading.Thread(target=_report_on, args=(directories, stop))
        writer.start()
        with program(*argv, home=home) as running:
            running.until_shown("benchmark")
            time.sleep(4)
            cpu, written = running.cpu_s, running.written_bytes
            time.sleep(seconds)
            found[name] = {
                "cpu_percent": 100 * (running.cpu_s - cpu) / seconds,
                "bytes_per_s": (running.written_bytes - written) / seconds,
            }
        stop.set()
        writer.join()
    ours, theirs = found["vlatui"], found["data_table"]
    return {**found, "cpu_ratio": ours["cpu_percent"] / theirs["cpu_percent"],
            "bytes_ratio": ours["bytes_per_s"] / theirs["bytes_per_s"]}  # fmt: skip


def _report_on(runs: list[RunDirectory], stop: threading.Event) -> None:
    step = 0
    while not stop.wait(1.0):
        step += 1
        for run in runs:
            loss, speed = 2 / step, 80 + step % 7
            report(run, Step(at=time.time(), attempt=1, step=step, loss=loss, samples_per_s=float(speed), step_s=1.0))


def latency(home: Home, tools: dict[str, str], samples: int = 20) -> Figures:
    """From a line on the disk to the line on the screen, every third of a second."""
    console = live_run(home, 0).attempt(1).console
    console.write_bytes(b"line 0\n")
    found: Figures = {}
    commands = {"vlatui": OURS, "tail -F": ("tail", "-F", str(console))}
    commands |= {name: (path, str(console)) for name, path in tools.items() if name == "lnav"}
    for name, argv in commands.items():
        with program(*argv, home=home) as running:
            running.until_shown("line 0", 10)
            time.sleep(2)
            known = sorted(_latencies(running, console, name, samples))
        found[name] = {"median_ms": 1000 * statistics.median(known), "worst_ms": 1000 * known[-1]} if known else None
    return found


def _latencies(running: TerminalProgram, console: Path, name: str, samples: int, most_unseen: int = 3) -> list[float]:
    """What was seen; gives up on a program whose painting is not recognised."""
    seen: list[float] = []
    unseen = 0
    for number in range(samples):
        took = _one_latency(running, console, f"{name}-{number}-")
        seen += [] if took is None else [took]
        unseen += took is None
        if unseen == most_unseen:
            break
    return seen


def _one_latency(running: TerminalProgram, console: Path, token: str) -> float | None:
    running.forget()
    with console.open("ab") as file:
        file.write(f"{token}\n".encode())
    start = time.perf_counter()
    shown = running.until_shown(token, 5)
    time.sleep(0.3)
    return since(start, shown)


def flood(home: Home, lines_per_s: int = 100_000, seconds: float = 10.0) -> Figures:
    """How soon a key is answered while the log grows by so many lines a second, and without."""
    console = live_run(home, 0).attempt(1).console
    found: Figures = {"lines_per_s": lines_per_s}
    with program(*OURS, home=home) as running:
        running.until_shown("benchmark")
        time.sleep(2)
        found["calm_ms"] = key_times(running, 3.0)
        stop, wrote = threading.Event(), [0]
        writer = threading.Thread(target=_flood, args=(console, lines_per_s, stop, wrote))
        started = time.perf_counter()
        writer.start()
        found["flooded_ms"] = key_times(running, seconds)
        found["written_lines_per_s"] = wrote[0] / (time.perf_counter() - started)
        stop.set()
        writer.join()
        found["peak_mb"] = running.peak_bytes / 1e6
    return found


def key_times(running: TerminalProgram, seconds: float) -> dict[str, float]:
    """Opens and closes the help again and again; how long until it is there."""
    took: list[float] = []
    unanswered = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        asked = running.press("?")
        shown = running.until_shown("Everywhere", 10)
        unanswered += shown is None
        took += [] if shown is None else [1000 * (shown - asked)]
        running.press("q")
        time.sleep(0.4)
    return {"median": statistics.median(took), "worst": max(took), "keys": len(took), "unanswered": unanswered}


def _flood(console: Path, lines_per_s: int, stop: threading.Event, wrote: list[int]) -> None:
    batch = b"INFO step 1234 loss 0.1234 lr 5.0e-04 a line of the flood\n" * (lines_per_s // 20)
    with console.open("ab") as file:
        while not stop.wait(0.05):
            file.write(batch)
            file.flush()
            wrote[0] += lines_per_s // 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--only", default="first,idle,log,latency,flood")
    arguments = parser.parse_args()
    results: Figures = {"at": time.time(), "cores": os.cpu_count(), "python": platform.python_version()}
    with tempfile.TemporaryDirectory(prefix="vlatui-bench-") as scratch:
        wanted = set(arguments.only.split(","))
        tools = tools_in(Path(scratch), with_toolong="log" in wanted) if wanted & {"log", "latency"} else {}
        parts: dict[str, Callable[[Home], Figures]] = {
            "first": first_picture,
            "idle": idle,
            "log": lambda home: large_log(home, live_run(home, 0).attempt(1).console, arguments.size_mb, tools),
            "latency": lambda home: latency(home, tools),
            "flood": flood,
        }
        for name in [name for name in parts if name in wanted]:
            home = Home(Path(scratch) / name / "home").prepare()
            results[name] = parts[name](home)
            print(f"{name}: {json.dumps(results[name], indent=2)}", flush=True)
            shutil.rmtree(home.path)
    RESULTS.parent.mkdir(exist_ok=True)
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**old, **results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
