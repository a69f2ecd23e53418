"""The vlatui command: refusals in one line and exit code 2, light until a screen is needed."""

import subprocess
import sys

import pytest
from vlad.records.rundir import Home, RunDirectory
from vlatui import cli


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("vlatui ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nosuch"], "no run fits 'nosuch'"),
        (["libero"], "fits 4 runs"),
        (["--home", "/no/such/folder"], "--home /no/such/folder: there is no such folder"),
        ([], "a terminal is needed"),
        (["one", "two"], "one run can be selected"),
        (["ada@-oProxyCommand=x"], "is no host: write user@host"),
        (["--ssh-command", "", "ada@gpubox"], "--ssh-command is empty"),
        (["--nonsense"], "unrecognized arguments: --nonsense; `vlatui --help` shows how"),
        (["--lang", "xx"], "argument --lang: invalid choice: 'xx'"),
        (["--port", "abc"], "argument --port: invalid int value: 'abc'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(
    runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert cli.run(words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_without_standard_streams_it_needs_a_terminal_like_anywhere_else() -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m vlatui.cli <&- >&-"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "a terminal is needed" in done.stderr


def test_a_home_that_is_a_symlink_is_refused(
    home: Home, runs: dict[str, RunDirectory], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    link = home.path.parent / "link"
    link.symlink_to(home.path)
    assert cli.run(["--home", str(link)]) == 2
    assert "is a symlink" in capsys.readouterr().err


def loaded_by(statement: str) -> set[str]:
    """The modules in a fresh interpreter after `statement`."""
    code = f"import sys\n{statement}\nprint(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_arguments_are_read_without_loading_the_screen() -> None:
    assert "textual" not in loaded_by("from vlatui import cli; cli.parser()")


def test_the_dashboard_loads_nothing_scientific() -> None:
    loaded = loaded_by("import vlatui.app")
    assert "textual" in loaded
    assert not loaded & {"torch", "numpy", "transformers", "vlatrain", "pandas", "PIL"}
