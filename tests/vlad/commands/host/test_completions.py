"""Shell completions: what the shells themselves make of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Story, Vlad
from supervised_runs import Lab
from vlad.commands.host.completion_scripts import SCRIPTS
from vlad.commands.verbs import VERBS, command_of


@pytest.fixture
def shell_environment(tmp_path: Path, lab: Lab) -> dict[str, str]:
    """A shell that finds the vlad command, and the runs of the test."""
    program = tmp_path / "bin" / "vlad"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m vlad.cli "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}


def completed_by_bash(script: Path, environment: dict[str, str], *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    typed = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _vlad"
    ask = f"source {script}; {asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    done = subprocess.run(
        ["bash", "-c", ask], capture_output=True, text=True, env=environment, cwd=script.parent, check=True
    )
    return done.stdout.split()


@pytest.fixture
def script(vlad: Vlad, tmp_path: Path) -> Path:
    folder = tmp_path / "typing"
    folder.mkdir()
    (folder / "vlad.bash").write_text(vlad("completions", "bash").out)
    (folder / "vla.yaml").touch()
    (folder / "vladata").mkdir()
    return folder / "vlad.bash"


CASES = {
    "verbs": (("vlad", "st"), ["stacks", "start", "stop"]),
    "options of the verb": (("vlad", "stop", "--no"), ["--now", "--no-wait"]),
    "not those of another": (("vlad", "ls", "--no"), []),
    "values": (("vlad", "start", "--gpus", "a"), ["auto"]),
    "profiles": (("vlad", "start", "--profile", "v100"), ["v100_8gpu"]),
    "files": (("vlad", "start", "--config", "vla.y"), ["vla.yaml"]),
    "folders": (("vlad", "start", "--project-root", "vla"), ["vladata"]),
    "runs": (("vlad", "stop", "spa"), ["spatial"]),
    "a second run": (("vlad", "stop", "goal", "spa"), ["spatial"]),
    "runs of options": (("vlad", "start", "--after", "go"), ["goal"]),
    "shells": (("vlad", "completions", "f"), ["fish"]),
    "a command after --": (("vlad", "start", "--", "bas"), ["bash"]),
}


@pytest.mark.parametrize(("words", "offered"), CASES.values(), ids=CASES.keys())
def test_bash_completes(
    lab: Lab, script: Path, shell_environment: dict[str, str], words: tuple[str, ...], offered: list[str]
) -> None:
    Story(lab, "spatial")
    Story(lab, "goal")
    found = completed_by_bash(script, shell_environment, *words)
    assert set(offered) <= set(found) if "--" in words else sorted(found) == sorted(offered)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_every_verb_and_every_option_is_in_the_script(vlad: Vlad, shell: str) -> None:
    script = vlad("completions", shell).out
    for verb, (_, summary) in VERBS.items():
        assert verb in script
        for action in command_of(verb).parser(verb, summary)._actions:
            for flag in action.option_strings:
                bare = flag.lstrip("-")
                assert flag in script or f"-l {bare}" in script or f"-s {bare}" in script, (verb, flag)


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_shell_accepts_its_script(vlad: Vlad, tmp_path: Path, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(vlad("completions", shell).out)
    done = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(vlad: Vlad, lab: Lab, tmp_path: Path, shell_environment: dict[str, str]) -> None:
    Story(lab, "spatial")
    (tmp_path / "vlad.fish").write_text(vlad("completions", "fish").out)
    for typed, offered in (("vlad sto", "stop"), ("vlad stop --no-", "--no-wait"), ("vlad stop spa", "spatial")):
        ask = f"source {tmp_path / 'vlad.fish'}; complete -C '{typed}'"
        done = subprocess.run(["fish", "-c", ask], capture_output=True, text=True, env=shell_environment)
        assert done.stdout.split("\t")[0].split("\n")[0] == offered


def test_the_names_of_runs_are_listed_once_each(vlad: Vlad, lab: Lab) -> None:
    assert vlad("completions", "runs").out == ""
    stories = [Story(lab, "spatial"), Story(lab, "spatial")]
    listed = vlad("completions", "runs").out.split()
    assert listed[:2] == ["last", "spatial"]
    assert sorted(listed[2:]) == sorted(story.run.run_id for story in stories)


def test_another_shell_is_refused(vlad: Vlad) -> None:
    answer = vlad("completions", "tcsh")
    assert (answer.code, "bash" in answer.err) == (2, True)


def test_what_start_takes_is_told_to_programs(
    vlad: Vlad, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Story(lab, "spatial")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    told = vlad("completions", "start").json
    options = {flag: option for option in told["options"] for flag in option["flags"]}
    assert options["--gpus"]["values"] == ["auto", "none"]
    assert options["--tty"]["takes"] == "nothing"
    assert told["figures"][0] == "NPROC"
    assert told["configs"][0] == "configs/mine.yaml"
    assert "v100_8gpu" in told["profiles"]
    assert told["runs"][:2] == ["last", "spatial"]
