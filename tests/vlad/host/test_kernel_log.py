"""Reading the kernel's log where that is allowed."""

import time
from pathlib import Path

from vlad.host.kernel_log import kernel_messages


def test_only_what_came_later_and_is_of_interest_is_taken(tmp_path: Path) -> None:
    device = tmp_path / "kmsg"
    now_us = int(time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6)
    device.write_text(f"3,1,{now_us},-;Out of memory: Killed process 9 (x) total-vm:1kB")
    assert [one.text for one in kernel_messages(time.time() - 60, device)] == [
        "Out of memory: Killed process 9 (x) total-vm:1kB"
    ]
    assert kernel_messages(time.time() + 60, device) == ()
    device.write_text(f"6,2,{now_us},-;usb 1-1: new device")
    assert kernel_messages(0, device) == ()


def test_a_log_that_may_not_be_read_tells_nothing(tmp_path: Path) -> None:
    assert kernel_messages(0, tmp_path / "missing") == ()
    assert kernel_messages(0, tmp_path) == ()
