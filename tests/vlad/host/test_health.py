"""The checks of `vlad doctor`: each on a host that is well and on one that is not."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command_line import Vlad
from fake_gpus import fake_gpus
from vlad.host import logind
from vlad.host.gpus import GpuReading, GpuReport, GpusUnreadable
from vlad.host.health import cards, disks, kernel, settings
from vlad.host.health.disks import Place
from vlad.host.health.finding import Finding, Level

GIB = 2**30


# Disks


def disk(bytes_free: int, inodes_free: int, inodes: int = 10**6) -> Callable[[object], SimpleNamespace]:
    return lambda path: SimpleNamespace(
        f_bavail=bytes_free, f_frsize=1, f_blocks=bytes_free, f_favail=inodes_free, f_files=inodes
    )


SPACES = {
    "roomy": (disk(100 * GIB, 10**6), Level.OK),
    "tight": (disk(10 * GIB, 10**6), Level.WARNING),
    "full": (disk(GIB, 10**6), Level.PROBLEM),
    "few inodes": (disk(100 * GIB, 20_000), Level.WARNING),
    "no inodes": (disk(100 * GIB, 10), Level.PROBLEM),
    "inodes are not counted": (disk(100 * GIB, 0, inodes=0), Level.OK),
}


@pytest.mark.parametrize(("statvfs", "level"), SPACES.values(), ids=SPACES.keys())
def test_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statvfs: object, level: Level) -> None:
    monkeypatch.setattr(os, "statvfs", statvfs)
    (finding,) = disks.check_space([Place("runs", tmp_path), Place("models", tmp_path / "not" / "yet")])
    assert finding.level is level
    assert f"runs {tmp_path}, models {tmp_path}/not/yet" in finding.found
    assert bool(finding.advice) == (level is not Level.OK)


def test_a_configured_root_that_is_not_mounted_is_told(tmp_path: Path) -> None:
    missing = Place("large files", tmp_path / "data", True)
    assert [one.level for one in disks.check_space([missing])][-1] is Level.WARNING


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "cannot be written" in disks.check_space([Place("runs", tmp_path)])[-1].found


def test_large_files_outside_the_allowed_roots_are_told_by_name(tmp_path: Path) -> None:
    inside, outside = tmp_path / "data" / "project", tmp_path / "home" / "cache"
    (tmp_path / "link").symlink_to(tmp_path / "home")
    roots = [str(tmp_path / "data")]
    places = [Place("project root", inside, True), Place("models (HF_HOME)", outside, True), Place("runs", outside)]
    (finding,) = disks.check_roots(places, roots)
    assert (finding.level, "models (HF_HOME)" in finding.found) == (Level.WARNING, True)
    assert disks.check_roots([Place("x", tmp_path / "data" / ".." / "home", True)], roots)[0].level is Level.WARNING
    assert disks.check_roots([Place("x", tmp_path / "link", True)], roots)[0].level is Level.WARNING
    assert disks.check_roots(places[:1], roots)[0].level is Level.OK
    assert disks.check_roots(places, []) == []


def test_places_follow_the_environment(tmp_path: Path) -> None:
    environ = {"HF_HOME": "/hub", "TMPDIR": "/scratch", "HOME": "/me"}
    found = {place.what: place.path for place in disks.places(tmp_path, Path("/p"), environ, ["/large"])}
    assert found["models (HF_HOME)"] == Path("/hub")
    assert found["temporary files (TMPDIR)"] == Path("/scratch")
    assert found["large files"] == Path("/large")
    bare = {place.what: place.path for place in disks.places(tmp_path, Path("/p"), {"HOME": "/me"}, [])}
    assert bare["models (HF_HOME)"] == Path("/me/.cache/huggingface")


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", disk(16 * GIB, 1))
    assert disks.check_shared_memory().level is Level.OK
    monkeypatch.setattr(os, "statvfs", disk(64 * 2**20, 1))
    finding = disks.check_shared_memory()
    assert (finding.level, "--shm-size" in finding.advice) == (Level.WARNING, True)
    monkeypatch.undo()
    assert disks.check_shared_memory(tmp_path / "none").level is Level.PROBLEM


# Kernel


@pytest.mark.parametrize(
    ("watches", "instances", "level"),
    [(524288, 1024, Level.OK), (524288, 8, Level.WARNING), (100, 1024, Level.WARNING)],
)
def test_inotify(tmp_path: Path, watches: int, instances: int, level: Level) -> None:
    (tmp_path / "max_user_watches").write_text(f"{watches}\n")
    (tmp_path / "max_user_instances").write_text(f"{instances}\n")
    assert kernel.check_inotify(tmp_path).level is level


def test_inotify_limits_that_are_not_told_are_no_error(tmp_path: Path) -> None:
    assert kernel.check_inotify(tmp_path).level is Level.NOTE


def test_the_kernel_log(tmp_path: Path) -> None:
    (tmp_path / "kmsg").touch()
    assert kernel.check_kernel_log(tmp_path / "kmsg").level is Level.OK
    assert kernel.check_kernel_log(tmp_path / "none").level is Level.NOTE


PTRACE = {
    "free": ("0", "0", Level.OK),
    "restricted": ("1", "0", Level.NOTE),
    "restricted, but capable": ("1", "80000", Level.OK),
    "forbidden": ("3", "80000", Level.NOTE),
    "no yama": (None, "0", Level.OK),
}


@pytest.mark.parametrize(("scope", "capabilities", "level"), PTRACE.values(), ids=PTRACE.keys())
def test_ptrace(tmp_path: Path, scope: str | None, capabilities: str, level: Level) -> None:
    if scope is not None:
        (tmp_path / "scope").write_text(f"{scope}\n")
    (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{capabilities}\n")
    assert kernel.check_ptrace(tmp_path / "scope", tmp_path / "status").level is level


def test_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    finding = kernel.check_open_files()
    assert (finding.level, "ulimit -n 4096" in finding.advice) == (Level.NOTE, True)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (65536, 65536))
    assert kernel.check_open_files().level is Level.OK


# Logout

YES = "[Login]\nKillUserProcesses=yes\n"
LOGIND = {
    "no logind": ({"etc/systemd/logind.conf": YES}, False),
    "default": ({"run/systemd/seats/s": ""}, False),
    "yes": ({"run/systemd/seats/s": "", "etc/systemd/logind.conf": YES}, True),
    "only a comment": ({"run/systemd/seats/s": "", "etc/systemd/logind.conf": "#KillUserProcesses=yes\n"}, False),
    "drop-in": ({"run/systemd/seats/s": "", "etc/systemd/logind.conf.d/50.conf": YES}, True),
    "later drop-in": (
        {"run/systemd/seats/s": "", "usr/lib/systemd/logind.conf.d/90.conf": "KillUserProcesses = no\n",
         "etc/systemd/logind.conf.d/50.conf": YES}, False,
    ),
    "lingering": (
        {"run/systemd/seats/s": "", "etc/systemd/logind.conf": YES, "var/lib/systemd/linger/ada": ""}, False,
    ),
    "exempt": (
        {"run/systemd/seats/s": "", "etc/systemd/logind.conf": f"{YES}KillExcludeUsers=root ada\n"}, False,
    ),
    "others only": ({"run/systemd/seats/s": "", "etc/systemd/logind.conf": f"{YES}KillOnlyUsers=bob\n"}, False),
}  # fmt: skip


@pytest.mark.parametrize(("files", "kills"), LOGIND.values(), ids=LOGIND.keys())
def test_logout(tmp_path: Path, files: dict[str, str], kills: bool) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert logind.ends_processes_of("ada", tmp_path) is kills
    assert not logind.ends_processes_of("root", tmp_path)
    finding = settings.check_logout("ada", tmp_path)
    assert (finding.level is Level.PROBLEM, "enable-linger ada" in finding.advice) == (kills, kills)


# Settings

HUBS = {
    "default": ({}, Level.OK),
    "mirror": ({"HF_ENDPOINT": "https://mirror.example"}, Level.OK),
    "no address": ({"HF_ENDPOINT": "mirror.example"}, Level.PROBLEM),
    "offline": ({"HF_HUB_OFFLINE": "1"}, Level.NOTE),
    "not offline": ({"HF_HUB_OFFLINE": "0"}, Level.OK),
}


@pytest.mark.parametrize(("environ", "level"), HUBS.values(), ids=HUBS.keys())
def test_the_model_hub(environ: dict[str, str], level: Level) -> None:
    assert settings.check_hub(environ).level is level


def test_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    assert settings.check_user_config(file).found == "defaults"
    file.write_text("notify: {urls: ['json://x']}\n")
    file.chmod(0o644)
    assert settings.check_user_config(file).advice == f"chmod 600 {file}"
    file.chmod(0o600)
    assert settings.check_user_config(file).level is Level.OK
    file.write_text("nonsense: 1\n")
    assert settings.check_user_config(file).level is Level.PROBLEM


def test_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.check_home(tmp_path / "home").level is Level.OK
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert settings.check_home(tmp_path / "link").level is Level.PROBLEM
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert "off this host's" in settings.check_home(tmp_path / "home").found


def test_the_clock() -> None:
    assert settings.check_clock(0).level is Level.OK
    assert settings.check_clock(settings.CLOCK_ERROR).level is Level.NOTE
    assert 0 <= settings.clock_state() <= settings.CLOCK_ERROR


# GPUs


def card(**facts: Any) -> GpuReport:
    return GpuReport(gpus=(GpuReading(index=0, uuid="GPU-0", name="RTX 4090", **facts),), driver="580.1", cuda="13.0")


def unreadable() -> GpuReport:
    raise GpusUnreadable("NVML: no driver")


CARDS = {
    "well": (card(temperature_c=60), [Level.OK, Level.OK]),
    "hot": (card(temperature_c=93), [Level.OK, Level.WARNING]),
    "faulty": (card(fault="2 uncorrected memory errors"), [Level.OK, Level.PROBLEM]),
    "none": (GpuReport(gpus=(), driver="580.1"), [Level.WARNING]),
}


@pytest.mark.parametrize(("report", "levels"), CARDS.values(), ids=CARDS.keys())
def test_cards(report: GpuReport, levels: list[Level]) -> None:
    assert [one.level for one in cards.check_gpus(lambda: report)] == levels


def test_a_driver_that_is_not_there_is_worth_a_note() -> None:
    assert [(one.level, one.found) for one in cards.check_gpus(unreadable)] == [(Level.NOTE, "NVML: no driver")]


def test_leases(tmp_path: Path) -> None:
    assert cards.check_leases(str(tmp_path / "locks")).level is Level.OK
    (tmp_path / "file").touch()
    assert cards.check_leases(str(tmp_path / "file")).level is Level.WARNING


# The verb


def test_doctor_prints_every_finding_and_fails_for_problems_only(
    vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus = fake_gpus(tmp_path, 1, monkeypatch)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    well = vlad("doctor", "--project-root", str(tmp_path))
    assert "GPU 0" in well.out
    monkeypatch.setenv("HF_ENDPOINT", "nonsense")
    answer = vlad("doctor", "--json")
    assert answer.code == 1
    found = [Finding(**one) for one in answer.json]
    assert {one.check for one in found} >= {
        "GPU driver", "GPU 0", "GPU leases", "runs", "disk", "shared memory", "inotify", "open files", "kernel log",
        "ptrace", "logout", "model hub", "configuration", "clock",
    }  # fmt: skip
    assert next(one for one in found if one.check == "model hub").level == "problem"
    gpus.file.unlink()
    assert "No such file" in vlad("doctor").out
