"""What a killed holder of a terminal had read: the next one finds what is not in the log, and nothing that is."""

import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from vlad.supervise.unlogged import PIECE_BYTES, Unlogged, make_memory


class Place:
    """A pipe to read from, a log, and the memory that several holders share."""

    def __init__(self, folder: Path) -> None:
        self.reads, self.writes = os.pipe()
        os.set_blocking(self.reads, False)
        self.memory = make_memory()
        self.log = folder / "console.log"
        self.log.touch()

    def read(self, content: bytes) -> Unlogged:
        """By a holder of its own."""
        os.write(self.writes, content)
        holder = Unlogged(self.memory)
        assert holder.read_from(self.reads) == content
        return holder

    def found(self) -> tuple[bytes, bool]:
        """By the next holder."""
        return Unlogged(self.memory).left_by_another(self.log.stat())

    def close(self) -> None:
        for handle in (self.reads, self.writes, self.memory):
            os.close(handle)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.close()


def test_new_memory_is_empty(place: Place) -> None:
    assert Unlogged(place.memory).is_empty
    assert place.found() == (b"", False)
    with pytest.raises(BlockingIOError):
        Unlogged(place.memory).read_from(place.reads)
    assert Unlogged(place.memory).is_empty


def test_what_was_read_and_not_written_is_found(place: Place) -> None:
    holder = place.read(b"one\r\ntwo")
    assert not holder.is_empty
    assert place.found() == (b"one\r\ntwo", False)
    holder.about_to_write(place.log.stat(), held_return=True)
    assert place.found() == (b"one\r\ntwo", True)


def test_what_was_written_is_not_written_again(place: Place) -> None:
    holder = place.read(b"one\r")
    holder.about_to_write(place.log.stat(), held_return=False)
    place.log.write_bytes(b"one")
    assert not holder.is_empty
    assert place.found() == (b"", True)
    holder.forget(held_return=True)
    assert holder.is_empty
    assert place.found() == (b"", True)


def test_what_was_meant_for_the_log_of_an_earlier_attempt_is_found(place: Place) -> None:
    holder = place.read(b"one")
    holder.about_to_write(place.log.stat(), held_return=False)
    with (place.log.parent / "next.log").open("wb") as file:
        file.write(b"something longer")
        assert Unlogged(place.memory).left_by_another(os.fstat(file.fileno())) == (b"one", False)
    assert Unlogged(place.memory).left_by_another(None) == (b"one", False)


def test_a_shorter_piece_leaves_nothing_of_a_longer_one_before(place: Place) -> None:
    for content in (b"x" * 4000, b"y"):
        place.read(content).forget(held_return=False)
    place.read(b"z")
    assert place.found() == (b"z", False)


def test_a_terminal_is_read_piece_by_piece(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.write(slave, b"from a terminal")
    memory = make_memory()
    holder = Unlogged(memory)
    content = holder.read_from(master)
    assert b"from a terminal".startswith(content)
    assert len(content) <= PIECE_BYTES
    assert Unlogged(memory).left_by_another(None) == (content, False)
    for handle in (master, slave, memory):
        os.close(handle)
