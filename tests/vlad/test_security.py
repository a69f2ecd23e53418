"""Attacks: what another user, a planted file, a name or a text may try, and that it comes to nothing."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import Vlad
from patience import until
from supervised_runs import Lab
from vlad.policy.launch_argv import training_environment
from vlad.records.files import RecordError
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.rundir import Home
from vlad.supervise import adopt, control, detach

OTHERS = 12345  # a user who is not we
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A file of ours that a planted symlink points to; nothing may change it."""
    path = tmp_path / "precious"
    path.write_bytes(b"precious")
    yield path
    assert path.read_bytes() == b"precious"


# who owns the home, and who may write there


@needs_root
@pytest.mark.parametrize("which", ["home", "runs", "live"])
def test_a_home_of_somebody_else_is_refused(tmp_path: Path, which: str) -> None:
    home = Home(tmp_path / "home").prepare()
    os.chown({"home": home.path, "runs": home.runs, "live": home.live}[which], OTHERS, OTHERS)
    with pytest.raises(RecordError, match="belongs to user 12345"):
        home.prepare()


@pytest.mark.parametrize("which", ["runs", "live"])
def test_a_folder_of_the_home_that_is_a_symlink_is_refused(tmp_path: Path, which: str) -> None:
    home = Home(tmp_path / "home").prepare()
    (tmp_path / "elsewhere").mkdir()
    (home.path / which).rmdir()
    (home.path / which).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="symlink"):
        home.prepare()


def give_away(lab: Lab, run: Path) -> None:
    os.chown(run, OTHERS, OTHERS)


def give_home_away(lab: Lab, run: Path) -> None:
    os.chown(lab.home.path, OTHERS, OTHERS)


def open_to_all(lab: Lab, run: Path) -> None:
    run.chmod(0o777)


def replace_by_symlink(lab: Lab, run: Path) -> None:
    run.rename(lab.path / "moved")
    run.symlink_to(lab.path / "moved")


@needs_root
@pytest.mark.parametrize("tamper", [give_away, give_home_away, open_to_all, replace_by_symlink])
def test_a_run_that_others_could_have_written_is_never_executed(
    lab: Lab, vlad: Vlad, tamper: Callable[[Lab, Path], None]
) -> None:
    """Listing it is harmless; adopting, resuming or asking it would execute what its spec says."""
    created = lab.create(lab.spec("touch", str(lab.path / "executed")))
    run = created.directory
    tamper(lab, run.path)
    assert adopt.adopt_orphans(lab.home) == []
    with pytest.raises(RecordError):
        detach.start(run)
    with pytest.raises(RecordError):
        control.resume(run)
    assert vlad("recover").code in (0, 2)
    assert vlad("ls").code == 0
    assert created.guards() == []
    assert not (lab.path / "executed").exists()


def test_files_and_folders_are_private_whatever_the_umask_is(lab: Lab) -> None:
    before = os.umask(0)
    try:
        run = lab.start(*lab.counting("--steps", "4"))
        run.ask(Action.SAVE)
        run.until_ended()
    finally:
        os.umask(before)
    for path in (lab.home.path, *lab.home.path.rglob("*")):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


# planted symlinks

PLANTED = (
    "events.jsonl", "state.json", "supervisor.log", "lock", "keeper.lock", "supervisor.lock", "reserve",
    "progress.jsonl", "evaluations.jsonl", "attempts/1/console.log", "attempts/1/exit.json", "attempts/1/agent.json",
)  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_nothing_is_written_through_a_planted_symlink(lab: Lab, precious: Path, name: str) -> None:
    """The run may refuse to start, or go on with a file of its own: what the link points to stays as it is."""
    created = lab.create(lab.spec(*lab.counting("--steps", "2")))
    planted = created.directory.path / name
    planted.parent.mkdir(mode=0o700, exist_ok=True)
    planted.unlink(missing_ok=True)
    planted.symlink_to(precious)
    try:
        detach.start(created.directory)
    except RecordError:
        return
    ends = ("events.jsonl", "supervisor.lock", "attempts/1/console.log", "attempts/1/agent.json", "reserve")
    if name not in ends:
        created.until_ended()
    else:
        until(lambda: created.directory.supervisor_log.stat().st_size, "the refusal is told")


# names, ids, words


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "-rf", "a b", "", ".", "a\nb", "x;touch y"])
def test_a_run_name_that_could_be_something_else_is_refused(vlad: Vlad, lab: Lab, name: str) -> None:
    answer = vlad("start", f"--name={name}", "--", "true")
    assert answer.code == 2
    assert "not allowed" in answer.err
    assert lab.home.run_ids() == []


@pytest.mark.parametrize("verb", ["show", "logs", "stop", "resume", "why", "rm", "wait", "save"])
def test_a_run_id_is_never_a_path(vlad: Vlad, lab: Lab, verb: str) -> None:
    (lab.path / "20261122-0931-demo-7f3a").mkdir()
    lab.create(lab.spec("true"))
    for wanted in ("../../20261122-0931-demo-7f3a", str(lab.path), "..", "\x00"):
        answer = vlad(verb, wanted)
        assert answer.code == 2
        assert "no run fits" in answer.err


def test_words_of_a_command_are_never_read_by_a_shell(vlad: Vlad, tmp_path: Path) -> None:
    words = ("$(touch pwned)", "; touch pwned", "`touch pwned`", "a\nb", "*", "| touch pwned", "-- --name x")
    run = vlad.started("--", sys.executable, "-c", "import sys; print(sys.argv[1:])", *words)
    run.until_ended()
    assert run.console() == f"{list(words)}\n"
    assert not list(tmp_path.rglob("pwned"))


def test_a_module_planted_where_vlad_is_called_is_not_imported(lab: Lab, tmp_path: Path) -> None:
    """Neither by the command nor by the keeper that it starts."""
    planted = tmp_path / "planted"
    planted.mkdir()
    for name in ("json", "msgspec", "logging", "vlad"):
        (planted / f"{name}.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\n")
    vlad = Path(sys.executable).with_name("vlad")
    environment = {"PATH": os.environ["PATH"], "VLAD_HOME": str(lab.home.path), "HOME": str(tmp_path)}
    words = [str(vlad), "start", "--follow", "--", "true"]
    done = subprocess.run(words, cwd=planted, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("words", [("config",), ("start", "--dry-run"), ("plan",)], ids=" ".join)
def test_a_module_planted_where_the_trainer_is_asked_is_not_imported(
    lab: Lab, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """`python -m` looks into the working folder first, and that may be a folder that others write to."""
    planted = tmp_path / "planted"
    planted.mkdir()
    for name in ("vlatrain", "yaml", "json", "numpy", "sitecustomize"):
        (planted / f"{name}.py").write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')\n")
    environment = {"PATH": os.environ["PATH"], "VLAD_HOME": str(lab.home.path), "HOME": str(tmp_path)}
    vlad = Path(sys.executable).with_name("vlad")
    done = subprocess.run([vlad, *words], cwd=planted, env=environment, capture_output=True, text=True, check=False)
    assert not (tmp_path / "pwned").exists()
    assert "data_root_dir" in done.stdout + done.stderr or words == ("plan",), done.stderr


def test_a_run_of_the_trainer_imports_nothing_from_its_working_folder(lab: Lab) -> None:
    (lab.path / "planted.py").touch()
    tell = (sys.executable, "-m", "planted")
    assert lab.start(*tell, environment=training_environment({})).until_ended().state is State.FAILED
    assert lab.start(*tell).until_ended().state is State.SUCCEEDED


def test_a_configuration_cannot_make_objects(vlad: Vlad, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "vlad").mkdir()
    code = f"!!python/object/apply:os.system ['touch {tmp_path}/pwned']\n"
    (tmp_path / "vlad" / "config.yaml").write_text(f"notify: {code}")
    patterns = tmp_path / "patterns.yaml"
    patterns.write_text(code)
    vlad("start", "--patterns", str(patterns), "--", "true")
    vlad("doctor")
    assert not (tmp_path / "pwned").exists()


# what is shown


def test_secrets_of_a_command_line_are_not_shown(vlad: Vlad) -> None:
    run = vlad.started("--", "true", "--hf_token", "hidden-1", "WANDB_API_KEY=hidden-2")
    run.until_ended()
    told = vlad("show", "last").out + vlad("show", "last", "--json").out + vlad("why", "last").out
    assert "--hf_token" in told
    assert "hidden" not in told


def test_who_puts_a_secret_on_a_command_line_is_warned(vlad: Vlad) -> None:
    assert "a secret stands on the command line" in vlad("start", "--", "true", "--hf_token", "hidden").err
    assert "warning" not in vlad("start", "--", "true", "--steps", "5").err


def test_control_sequences_of_a_command_line_reach_no_terminal(vlad: Vlad) -> None:
    vlad.started("--", "true", "\x1b]0;title\x07", "\x1b[2J").until_ended()
    assert "\x1b" not in vlad("show", "last").out


HOSTILE_ARGUMENT = "--x=\x1b]52;c;aGk=\x07\x1b[2J\x1b[31m\x9b2J" + "long " * 40


def test_control_sequences_of_others_command_lines_reach_no_terminal(vlad: Vlad, tmp_path: Path) -> None:
    """Anybody on the host may start a process that looks like a training."""
    (tmp_path / "finetune.py").write_text("import sys\nsys.stdin.read()\n")
    argv = [sys.executable, "finetune.py", HOSTILE_ARGUMENT]
    with subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE) as theirs:
        told = until(lambda: out if str(theirs.pid) in (out := vlad("ps", "--foreign").out) else None, "it is listed")
        assert theirs.stdin is not None
        theirs.stdin.close()
    assert "--x=" in told
    assert not [character for character in told if not character.isprintable() and character != "\n"]


def test_control_sequences_of_a_wrong_word_are_not_repeated_to_the_terminal(vlad: Vlad) -> None:
    assert "\x1b" not in vlad("why", "\x1b]0;title\x07x").err
    assert "\x1b" not in vlad("\x1b[2J").err
