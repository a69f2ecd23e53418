"""The innermost frames of stack dumps, as py-spy and faulthandler write them."""

import pytest
from vlad.policy.stack_frames import evidence_of, sections

SPY = """\
by py-spy
Process 4711: /usr/bin/python -m vlatrain my.yaml
Python v3.11.7 (/usr/bin/python3.11)

Thread 4711 (idle): "MainThread"
    wait (threading.py:331)
    all_reduce (torch/distributed/distributed_c10d.py:2501)
    train_step (vlatrain/train/step.py:61)
    train (vlatrain/train/loop.py:40)
Thread 4720 (active): "pin memory"
    get (queue.py:180)
"""
OWN = """\
by the program itself
Thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/queue.py", line 180 in get

Current thread 0x00007f0000000002 (most recent call first):
  File "/site/torch/distributed/distributed_c10d.py", line 2501 in all_reduce
  File "/site/vlatrain/train/step.py", line 61 in train_step
  File "<string>", line 1 in <module>
"""
NAMED = 'Current thread 0x00007f0000000002 [MainThread] (most recent call first):\n  File "a.py", line 3 in hangs\n'
NONE = "no Python stack could be read; state D, waits in the kernel's nfs_wait\n"


def dump(**parts: str) -> str:
    named = {key.replace("_", " "): text for key, text in parts.items()}
    return "Stacks of today.\n\n" + "\n".join(f"== {who} ==\n{text}" for who, text in named.items())


@pytest.mark.parametrize(
    ("text", "innermost", "threads"),
    [
        pytest.param(SPY, "wait (threading.py:331)", 2, id="py-spy"),
        pytest.param(OWN, "all_reduce (distributed/distributed_c10d.py:2501)", 2, id="faulthandler"),
        pytest.param(NAMED, "hangs (a.py:3)", 1, id="faulthandler of newer Pythons"),
    ],
)
def test_the_main_thread_is_found_with_its_frames_innermost_first(text: str, innermost: str, threads: int) -> None:
    (section,) = sections(dump(rank_0=text))
    assert section.who == "rank 0"
    assert len(section.threads) == threads
    assert section.main is not None
    assert section.main.frames[0] == innermost


def test_a_process_without_a_stack_has_no_thread() -> None:
    (section,) = sections(dump(rank_0=NONE))
    assert section.main is None


def test_the_evidence_is_where_the_ranks_stand_and_points_into_the_dump() -> None:
    text = dump(rank_0=SPY, rank_1=OWN, rank_2=NONE, process_99=NAMED)
    found = evidence_of(text, "attempts/1/stacks/x.txt")
    assert [one.text.split(":")[0] for one in found] == ["rank 0", "rank 1"]
    assert found[0].text.endswith(
        "wait (threading.py:331) < all_reduce (distributed/distributed_c10d.py:2501) < train_step (train/step.py:61)"
    )
    for one in found:
        assert text.encode()[one.offset :].startswith((b"Thread 4711", b"Current thread"))


def test_without_ranks_the_other_processes_are_the_evidence() -> None:
    assert [one.text for one in evidence_of(dump(process_99=NAMED), "f")] == ["process 99: hangs (a.py:3)"]


def test_text_that_is_no_dump_tells_nothing() -> None:
    assert evidence_of("", "f") == evidence_of("Thread 1 (idle)\n    x (y:1)\n", "f") == ()
