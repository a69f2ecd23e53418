"""Reading the kernel's log where that is allowed."""

import time
from pathlib import Path

import pytest
from vlad.host import kernel_log
from vlad.host.kernel_log import kernel_messages


@pytest.fixture(autouse=True)
def _on_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the tests run in a container."""
    monkeypatch.setattr(kernel_log, "PID_NAMESPACE_OF_HOST", kernel_log.PID_NAMESPACE.stat().st_ino)


def test_in_a_container_the_log_says_nothing_about_our_pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kmsg"
    device.write_text("3,1,0,-;Out of memory: Killed process 9 (x) total-vm:1kB")
    assert kernel_messages(0, device)
    monkeypatch.setattr(kernel_log, "PID_NAMESPACE_OF_HOST", 1)
    assert kernel_messages(0, device) is None


def test_only_what_came_later_and_is_of_interest_is_taken(tmp_path: Path) -> None:
    device = tmp_path / "kmsg"
    now_us = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6)
    device.write_text(f"3,1,{now_us},-;Out of memory: Killed process 9 (x) total-vm:1kB")
    found = kernel_messages(time.time() - 60, device)
    assert found is not None
    assert [one.text for one in found] == ["Out of memory: Killed process 9 (x) total-vm:1kB"]
    assert kernel_messages(time.time() + 60, device) == ()
    device.write_text(f"6,2,{now_us},-;usb 1-1: new device")
    assert kernel_messages(0, device) == ()


def test_a_log_that_may_not_be_read_is_none(tmp_path: Path) -> None:
    assert kernel_messages(0, tmp_path / "missing") is None
