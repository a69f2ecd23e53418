"""GPU leases: they end with the last process that lives for them, and nobody can tamper with those of others."""

import os
import pwd
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from patience import until
from vlad.host import leases
from vlad.host.leases import Lease, default_lock_folder, new_claim, prepare_lock_folder, read_claims
from vlad.records.files import RecordError
from vlad.records.gpus import GpuWish, LeasedGpu
from vlad.supervise import locks

NOBODY = 65534
GPU = LeasedGpu(uuid="GPU-0", index=0)
R1, R2 = "20261122-0931-first-0001", "20261122-0931-second-0002"


def claim(lease: Lease, run_id: str, run_lock: Path, *gpus: LeasedGpu) -> None:
    wish = GpuWish(count=1, lock_folder="unused")
    with lease.exclusive():
        made = new_claim(run_id, "ada", run_lock, wish, 0)
        lease.write(msgspec.structs.replace(made, gpus=gpus))


@contextmanager
def process(work: Callable[[], None]) -> Iterator[int]:
    """A forked process that does `work` and then lives until it is killed; yields its pid when the work is done."""
    done, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os.write(told, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(told)
    try:
        assert os.read(done, 1) == b"x"
        yield pid
    finally:
        os.close(done)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def holders(folder: Path) -> list[str]:
    return [one.run_id for one in read_claims(folder) if one.gpus]


def test_a_lease_ends_with_the_death_of_its_holder(tmp_path: Path) -> None:
    with process(lambda: claim(Lease(tmp_path / "locks", R1), R1, tmp_path / "none", GPU)):
        assert holders(tmp_path / "locks") == [R1]
    assert holders(tmp_path / "locks") == []
    assert not list((tmp_path / "locks").glob("*.lease"))


def test_a_lease_lives_as_long_as_any_process_that_inherited_it(tmp_path: Path) -> None:
    """As keeper and supervisor do; and a program that is executed with the descriptor."""
    lease = Lease(tmp_path / "locks", R1)
    claim(lease, R1, tmp_path / "none", GPU)
    os.set_inheritable(lease.handle, True)
    child = os.posix_spawn("/bin/sleep", ["sleep", "600"], {})
    os.close(lease.handle)
    assert holders(tmp_path / "locks") == [R1]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert holders(tmp_path / "locks") == []


def test_a_rank_that_outlives_all_others_keeps_the_lease_by_the_lock_of_its_run(tmp_path: Path) -> None:
    run_lock = locks.open_lock(tmp_path / "lock")
    locks.try_lock(run_lock)
    with process(lambda: claim(Lease(tmp_path / "locks", R1), R1, tmp_path / "lock", GPU)):
        pass
    assert holders(tmp_path / "locks") == [R1]
    os.close(run_lock)
    assert holders(tmp_path / "locks") == []


def test_whoever_takes_over_holds_what_stood_there(tmp_path: Path) -> None:
    with process(lambda: claim(Lease(tmp_path / "locks", R1), R1, tmp_path / "none", GPU)):
        again = Lease(tmp_path / "locks", R1)
        assert again.gpus == (GPU,)
    assert holders(tmp_path / "locks") == [R1]
    os.close(again.handle)


def test_what_others_have_taken_meanwhile_is_not_ours_any_more(tmp_path: Path) -> None:
    """After a reboot, say, when nobody lived for the first run."""
    mine = tmp_path / "locks" / f"{os.geteuid()}-{R1}.lease"
    with process(lambda: claim(Lease(tmp_path / "locks", R1), R1, tmp_path / "none", GPU)):
        content = mine.read_bytes()
    other = Lease(tmp_path / "locks", R2)
    claim(other, R2, tmp_path / "none", GPU)
    mine.write_bytes(content)
    lease = Lease(tmp_path / "locks", R1)
    assert lease.gpus == ()
    assert holders(tmp_path / "locks") == [R2]
    for one in (lease, other):
        os.close(one.handle)


def test_a_released_lease_is_free_at_once(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "locks", R1)
    claim(lease, R1, tmp_path / "none", GPU)
    lease.release()
    assert read_claims(tmp_path / "locks") == []
    os.close(lease.handle)


def test_claims_are_changed_by_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "PATIENCE_S", 0.05)
    first, second = Lease(tmp_path / "locks", R1), Lease(tmp_path / "locks", R2)
    with first.exclusive(), pytest.raises(OSError, match="another process"), second.exclusive():
        pass
    with second.exclusive() as claims:
        assert claims == []
    for one in (first, second):
        os.close(one.handle)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"run_id": "r1', b"\xff" * 5000], ids=["empty", "{}", "torn", "long"]
)
def test_a_file_that_claims_nothing_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    prepare_lock_folder(tmp_path / "locks")
    (tmp_path / "locks" / "0-{R1}.lease").write_bytes(content)
    assert read_claims(tmp_path / "locks") == []


def test_the_folder_is_for_all_users_whatever_our_umask_is(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        lease = Lease(tmp_path / "locks", R1)
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE(path.stat().st_mode) for path in ((tmp_path / "locks"), *sorted((tmp_path / "locks").iterdir()))
    ]
    assert modes == [0o1777, 0o644, 0o644]
    os.close(lease.handle)


def test_folders_that_others_could_tamper_with_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "file").touch()
    for name in ("link", "open", "file"):
        with pytest.raises(RecordError, match=name):
            prepare_lock_folder(tmp_path / name)
    (tmp_path / "private").mkdir(mode=0o700)
    assert prepare_lock_folder(tmp_path / "private")


def plant_link(path: Path, aside: Path) -> None:
    path.symlink_to(aside)


def plant_pipe(path: Path, aside: Path) -> None:
    os.mkfifo(path)
    os.chown(path, NOBODY, NOBODY)


def plant_foreign_file(path: Path, aside: Path) -> None:
    path.touch()
    path.chmod(0o666)
    os.chown(path, NOBODY, NOBODY)


PLANTED = {"link": plant_link, "pipe": plant_pipe, "file of another user": plant_foreign_file}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of other users")
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED.keys())
def test_a_lease_file_that_somebody_planted_is_refused(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    folder = prepare_lock_folder(tmp_path / "locks")
    precious = tmp_path / "precious"
    precious.write_text("precious")
    plant(folder / f"{os.geteuid()}-{R1}.lease", precious)
    assert read_claims(folder) == []
    with pytest.raises(OSError, match=r"lease|links"):
        Lease(folder, R1)
    assert precious.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_users_see_and_respect_each_others_leases(tmp_path: Path) -> None:
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    tmp_path.chmod(0o755)
    mine = Lease(tmp_path / "locks", R1)
    claim(mine, R1, tmp_path / "none", GPU)
    seen = tmp_path / "seen"
    seen.touch()
    seen.chmod(0o666)

    def as_another_user() -> None:
        os.setuid(NOBODY)
        other = Lease(tmp_path / "locks", R2)
        with other.exclusive() as claims:
            seen.write_text(" ".join(one.run_id for one in claims))
        claim(other, R2, tmp_path / "none", LeasedGpu(uuid="GPU-1", index=1))

    with process(as_another_user):
        assert seen.read_text() == R1
        assert holders(tmp_path / "locks") == [R1, R2]
    until(lambda: holders(tmp_path / "locks") == [R1], "the other user's lease ended with its process")
    os.close(mine.handle)


def test_the_default_folder_is_one_that_all_users_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, private = tmp_path / "shared", tmp_path / "private"
    shared.mkdir()
    shared.chmod(0o1777)
    private.mkdir(mode=0o755)
    monkeypatch.setattr(leases, "SHARED_FOLDERS", (private, shared))
    assert default_lock_folder() == str(shared / "vlad-gpus")
    assert default_lock_folder("/elsewhere") == "/elsewhere"


def test_what_somebody_else_claims_to_be_is_not_believed(tmp_path: Path) -> None:
    """Run ids are printed on terminals; the user is who made the file."""
    lease, liar = Lease(tmp_path / "locks", R1), Lease(tmp_path / "locks", R2)
    claim(lease, R1, tmp_path / "none", GPU)
    claim(liar, "\x1b[2J", tmp_path / "none", GPU)
    (read,) = read_claims(tmp_path / "locks")
    assert (read.run_id, read.user) == (R1, pwd.getpwuid(os.geteuid()).pw_name)
    for one in (lease, liar):
        os.close(one.handle)
