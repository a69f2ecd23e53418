"""Runs go on after their host was restarted, and the host is told to see to it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from command_line import Vlad
from patience import until
from supervised_runs import kill_both
from vlad.commands.host import install
from vlad.policy.boot_hooks import Hook, container_entrypoint, crontab_line, systemd_unit, with_line
from vlad.records.run import State

RECOVER = ("/opt/my env/bin/python", "-m", "vlad.cli", "recover")


def test_recover_looks_after_a_run_whose_guard_was_killed(vlad: Vlad) -> None:
    run = vlad.started("--", "sleep", "630")
    run.until_state(State.RUNNING)
    kill_both(run)
    assert vlad("recover").out.split() == [run.directory.run_id]
    until(run.guards, "keeper and supervisor")
    assert vlad("recover", "--json").json == []


@pytest.mark.parametrize("words", [("--host", "lost"), ("--any-host",)])
def test_runs_of_another_host_are_recovered_only_when_told(vlad: Vlad, words: tuple[str, ...]) -> None:
    run = vlad.lab.create(msgspec.structs.replace(vlad.lab.spec("true"), host="lost"))
    assert vlad("recover", "--json").json == []
    assert vlad("recover", "--json", *words).json == [run.directory.run_id]
    assert run.until_ended().state is State.SUCCEEDED


def test_starting_a_run_recovers_others(vlad: Vlad) -> None:
    run = vlad.started("--", "sleep", "631")
    run.until_state(State.RUNNING)
    kill_both(run)
    vlad.started("--", "true")
    until(run.guards, "keeper and supervisor")


def test_the_crontab_line_replaces_an_older_one_and_nothing_else() -> None:
    line = crontab_line(RECOVER, "/data/100%/vlad")
    assert line.startswith("@reboot env VLAD_HOME=/data/100\\%/vlad '/opt/my env/bin/python' -m vlad.cli recover #")
    mine = "0 5 * * * backup\n"
    once = with_line(mine, line)
    assert once == mine + line
    assert with_line(once, crontab_line(RECOVER, "/other")) == mine + crontab_line(RECOVER, "/other")


def test_the_unit_does_not_end_the_runs_that_it_has_started() -> None:
    lines = systemd_unit(RECOVER, "/data/100%/vlad").splitlines()
    assert {"RemainAfterExit=yes", "KillMode=process", 'Environment="VLAD_HOME=/data/100%%/vlad"'} <= set(lines)
    assert 'ExecStart="/opt/my env/bin/python" "-m" "vlad.cli" "recover"' in lines


def test_the_entrypoint_recovers_and_then_becomes_the_command(tmp_path: Path) -> None:
    script = container_entrypoint(("echo", "recovers"), str(tmp_path / "a b"))
    done = subprocess.run(["sh", "-c", script, "sh", "printenv", "VLAD_HOME"], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["recovers --any-host", str(tmp_path / "a b")]


@pytest.mark.parametrize("hook", list(Hook))
def test_every_hook_is_printed_and_calls_this_python(vlad: Vlad, hook: Hook) -> None:
    answer = vlad("install", hook)
    assert answer.code == 0
    assert f"{sys.executable}" in answer.out
    assert str(vlad.lab.home.path) in answer.out


def test_cron_is_written_through_crontab(vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table"
    table.write_text("0 5 * * * backup\n")
    program = tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    quoted = shlex.quote(str(table))
    program.write_text(
        f"#!/bin/sh\nif [ $1 = -l ]; then cat {quoted}; else cat > {quoted}.new; mv {quoted}.new {quoted}; fi\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert vlad("install", "cron", "--write").code == 0
    assert vlad("install", "cron", "--write").code == 0
    lines = table.read_text().splitlines()
    assert (lines[0], len(lines)) == ("0 5 * * * backup", 2)
    assert lines[1].startswith("@reboot ")


def test_a_unit_is_written_for_the_user(vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    answer = vlad("install", "systemd", "--write")
    assert "systemctl --user enable" in answer.err
    assert "KillMode=process" in (tmp_path / ".config/systemd/user/vlad-recover.service").read_text()


def test_a_host_that_ends_processes_at_logout_is_told_of(vlad: Vlad, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "ends_processes_of", lambda user: True)
    assert "enable-linger" in vlad("start", "--", "true").err
    vlad.remember_runs()
