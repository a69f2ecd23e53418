"""Where the kernel counts what it has killed for lack of memory."""

from pathlib import Path

import pytest
from vlad.host.cgroup import oom_kills

V1 = "9:name=systemd:/\n4:memory:/job/7\n0::/\n"


@pytest.mark.parametrize(
    ("cgroup", "file"),
    [
        pytest.param("0::/user.slice/job\n", "user.slice/job/memory.events", id="version 2"),
        pytest.param("0::/../outside\n", "memory.events", id="version 2, seen from a container"),
        pytest.param(V1, "memory/job/7/memory.oom_control", id="version 1"),
        pytest.param(V1, "memory/memory.oom_control", id="version 1, seen from a container"),
    ],
)
def test_the_counter_of_our_cgroup_is_found(tmp_path: Path, cgroup: str, file: str) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    counter = tmp_path / "sys" / file
    counter.parent.mkdir(parents=True)
    counter.write_text("oom_kill_disable 0\nunder_oom 0\noom 5\noom_kill 3\noom_group_kill 9\n")
    assert oom_kills(tmp_path / "cgroup", tmp_path / "sys") == 3


@pytest.mark.parametrize("cgroup", ["", "0::/\n", "4:memory:/\n3:cpu:/x\n"])
def test_no_counter_is_no_number(tmp_path: Path, cgroup: str) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    assert oom_kills(tmp_path / "cgroup", tmp_path / "sys") is None
    assert oom_kills(tmp_path / "missing", tmp_path / "sys") is None
