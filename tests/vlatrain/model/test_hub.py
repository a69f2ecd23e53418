"""Where the base model is looked for, and how it comes from the hub."""

import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fake_hub import Hub, serving
from patience import PATIENCE_S
from vlatrain.errors import TrainerError
from vlatrain.model.hub import find_base, size_logged

WEIGHTS = bytes(25 * 2**20)  # the hub's client keeps what it has in parts of 10 MiB
ASK = "from vlatrain.model.hub import find_base; print(find_base('lab/model'))"


def ask(home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Looks for the model in a process of its own, as the hub's client reads its variables when it is imported."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    variables = {**kept, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **environment}
    return subprocess.run([sys.executable, "-c", ASK], env=variables, capture_output=True, text=True)


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_base(str(tmp_path)) == tmp_path


def test_a_hub_id_is_asked_for_by_name(tmp_path: Path) -> None:
    asked: list[str] = []

    def download(repository: str) -> str:
        asked.append(repository)
        return str(tmp_path)

    assert find_base("openvla/openvla-7b", download) == tmp_path
    assert asked == ["openvla/openvla-7b"]


def test_an_unreachable_hub_is_one_line_that_names_the_flag() -> None:
    def download(_repository: str) -> str:
        raise ConnectionError("no route to host\nand a long story")

    with pytest.raises(TrainerError, match=r"^--vla_path openvla/openvla-7b: .*no route to host$"):
        find_base("openvla/openvla-7b", download)


def test_a_path_that_is_no_folder_is_never_looked_up(tmp_path: Path) -> None:
    def download(_repository: str) -> str:
        raise AssertionError("asked the hub for a path")

    for path in (str(tmp_path / "absent" / "model"), "../absent", "./absent"):
        with pytest.raises(TrainerError, match=rf"^--base {re.escape(path)}: no such folder$"):
            find_base(path, download, option="--base")


def test_a_broken_download_goes_on_where_it_broke_and_is_then_there_offline(tmp_path: Path) -> None:
    files = {"config.json": b"{}", "model.safetensors": WEIGHTS, "tokenizer.model": b"t", "picture.png": b"p"}
    with serving(Hub("lab/model", files, broken={"model.safetensors"})) as hub:
        done = ask(tmp_path, HF_ENDPOINT=hub.endpoint)
    folder = Path(done.stdout.strip())
    assert folder.is_relative_to(tmp_path / "hub" / "models--lab--model")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        name: content for name, content in files.items() if name != "picture.png"
    }
    assert [rest for what, name, rest in hub.asked if (what, name) == ("GET", "model.safetensors")] == [
        "",
        f"bytes={10 * 2**20}-",
    ]
    assert ask(tmp_path, HF_HUB_OFFLINE="1").stdout == done.stdout


def test_a_hub_that_is_not_there_is_told_with_the_flag(tmp_path: Path) -> None:
    done = ask(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.stderr.splitlines()[-1].startswith("vlatrain.errors.TrainerError: --vla_path lab/model: no such folder")


def test_in_a_log_the_size_is_told_from_time_to_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "part.incomplete").write_bytes(bytes(20_000_000))
    told = threading.Event()

    def note(_record: logging.LogRecord) -> bool:
        told.set()
        return True

    caplog.handler.addFilter(note)
    with caplog.at_level(logging.INFO), size_logged("lab/model", tmp_path, every_s=0.001):
        assert told.wait(PATIENCE_S)
    assert caplog.messages[0] == "downloading lab/model: 0.02 GB so far"
