"""Leases of this host's GPUs: a file for each run that waits for GPUs or holds some, locked by those who live for it.

All users of the host share the folder. A file counts as long as anybody holds its lock: the run's keeper and supervisor
do, and the agent of its job, by inheritance: a lease ends with the last of them, whatever kills them, and not before.
Claims are read and changed by one process at a time, which holds the lock of the folder.
"""

import contextlib
import errno
import fcntl
import os
import pwd
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vlad.records.files import RecordError
from vlad.records.gpus import GpuWish, LeasedGpu
from vlad.records.history import RUN_ID

FOLDER = "vlad-gpus"
SHARED_FOLDERS = (Path("/run/lock"), Path("/tmp"))
SHARED_MODE = 0o1777
FILE_MODE = 0o644
FOLDER_LOCK = "folder.lock"
SUFFIX = ".lease"
CLAIM_BYTES = 4096
PATIENCE_S = 2.0
RETRY_S = 0.01
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Claim(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in a lease file: what the run waits for, or the `gpus` that it holds.

    `lock` is the run's own lock, which ranks hold that outlive all others; only its owner can look at that. Others may
    have written anything: what is read has a proper run id, and as `user` the owner of the file.
    """

    run_id: str
    user: str
    priority: int
    queued_at: float
    count: int
    lock: str
    among: tuple[str, ...] = ()
    gpus: tuple[LeasedGpu, ...] = ()


def default_lock_folder(configured: str | None = None) -> str:
    """Where all users of this host find each other's leases: as configured, else below /run/lock or /tmp."""
    if configured:
        return str(Path(configured).expanduser().absolute())
    base = next((folder for folder in SHARED_FOLDERS if _is_shared(folder)), SHARED_FOLDERS[-1])
    return str(base / FOLDER)


def _is_shared(folder: Path) -> bool:
    try:
        mode = folder.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == SHARED_MODE


def prepare_lock_folder(folder: Path) -> Path:
    """Makes the folder for all users where there is none. Raises RecordError for one that cannot be used safely."""
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            folder.chmod(SHARED_MODE)
        found = folder.lstat()
    except OSError as error:
        raise RecordError(f"the folder of GPU leases {folder} cannot be made: {error.strerror}") from error
    is_ours_alone = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or not (found.st_mode & stat.S_ISVTX or is_ours_alone):
        told = "is no folder, or others may remove our files from it"
        raise RecordError(f"the folder of GPU leases {folder} {told}; set gpus.lock_folder in vlad's config.yaml")
    return folder


@contextlib.contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Claims stay as they are meanwhile. Raises OSError where another process does not let go of the lock."""
    handle = _opened(folder / FOLDER_LOCK, _READ)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _can_lock(handle, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise OSError(errno.EAGAIN, "another process holds the lock of the GPU leases", str(folder))
            time.sleep(RETRY_S)
        yield
    finally:
        os.close(handle)


def _opened(path: Path, flags: int) -> int:
    """Opened, made where it is missing; never by a link, and no pipe that would keep us waiting."""
    try:
        handle = os.open(path, flags)
    except FileNotFoundError:
        _make(path)
        handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no file", str(path))
    return handle


def _make(path: Path) -> None:
    """Readable for all users, whatever our umask is: who may read may ask for the lock."""
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        os.fchmod(handle, FILE_MODE)
        os.close(handle)


def _can_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Lease:
    """Owns a run's lease file. Forked children share its lock, and so does an executed program that gets `handle`."""

    def __init__(self, folder: Path, run_id: str) -> None:
        """Opens the file of the run, and what stood in it counts again. Raises OSError, RecordError."""
        self._folder = prepare_lock_folder(folder)
        self._path = folder / f"{os.geteuid()}-{run_id}{SUFFIX}"
        with _folder_locked(folder):
            self.handle = _own(_opened(self._path, _WRITE), self._path)
            self.claim = _claim_in(self.handle)
            if self.claim is not None and self._is_taken_by_others(self.claim):
                self.write(msgspec.structs.replace(self.claim, gpus=()))

    def _is_taken_by_others(self, claim: Claim) -> bool:
        """Whether somebody took our GPUs while nobody lived for us (before a reboot, say)."""
        ours = {gpu.uuid for gpu in claim.gpus}
        others = (one for one in _claims(self._folder) if one.run_id != claim.run_id)
        return any(gpu.uuid in ours for one in others for gpu in one.gpus)

    def reread(self) -> None:
        """A supervisor that died may have written since this process (or the one it was forked from) read."""
        self.claim = _claim_in(self.handle)

    @property
    def gpus(self) -> tuple[LeasedGpu, ...]:
        return self.claim.gpus if self.claim else ()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[list[Claim]]:
        """All claims that count, which nobody changes meanwhile; `write` only within.

        Raises FileNotFoundError where somebody has removed our file, and OSError where the folder cannot be locked.
        """
        with _folder_locked(self._folder):
            if os.fstat(self.handle).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "somebody has removed it", str(self._path))
            yield _claims(self._folder)

    def write(self, claim: Claim) -> None:
        """Only within `exclusive`. In place, which keeps the lock; a page by one call, so that no kill can tear it."""
        content = msgspec.json.encode(claim)
        if len(content) > CLAIM_BYTES:
            raise OSError(errno.EFBIG, f"a claim of {len(content)} bytes is too long", str(self._path))
        os.pwrite(self.handle, content.ljust(CLAIM_BYTES), 0)
        self.claim = claim

    def release(self) -> None:
        """Gives the GPUs back at once; without it they are free when the last who holds the lock is gone."""
        self._path.unlink(missing_ok=True)
        self.claim = None


def _own(handle: int, path: Path) -> int:
    """Our lock on our own file, which nobody else has made."""
    if os.fstat(handle).st_uid != os.geteuid() or not _can_lock(handle, fcntl.LOCK_SH):
        os.close(handle)
        raise OSError(errno.EACCES, "belongs to somebody else, or is locked", str(path))
    return handle


def new_claim(run_id: str, user: str, lock: Path, wish: GpuWish, priority: int) -> Claim:
    """A claim that waits from now on."""
    return Claim(
        run_id=run_id, user=user, priority=priority, queued_at=time.time(), count=wish.count, lock=str(lock),
        among=wish.among,
    )  # fmt: skip


def read_claims(folder: Path) -> list[Claim]:
    """Every claim on this host that counts. Raises OSError; a missing folder has none."""
    if not folder.is_dir():
        return []
    with _folder_locked(folder):
        return _claims(folder)


def _claims(folder: Path) -> list[Claim]:
    """Those of the living; our own dead ones are removed."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        claim = _living_claim(path)
        if claim is not None:
            found.append(claim)
    return found


def _living_claim(path: Path) -> Claim | None:
    try:
        handle = os.open(path, _READ)
    except OSError:
        return None
    try:
        claim = _claim_in(handle)
        if _is_held_by_somebody(handle, claim):
            return claim
        if os.fstat(handle).st_uid == os.geteuid():
            path.unlink(missing_ok=True)
        return None
    finally:
        os.close(handle)


def _is_held_by_somebody(handle: int, claim: Claim | None) -> bool:
    """Whether anybody holds the lease, or (as far as we may know) a process of its job holds the run's own lock."""
    if not _can_lock(handle, fcntl.LOCK_EX):
        return True
    fcntl.flock(handle, fcntl.LOCK_UN)
    return claim is not None and os.fstat(handle).st_uid == os.geteuid() and _is_locked(Path(claim.lock))


def _is_locked(path: Path) -> bool:
    try:
        handle = os.open(path, _READ)
    except OSError:
        return False
    try:
        return not _can_lock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _claim_in(handle: int) -> Claim | None:
    """None for a file that claims nothing (yet)."""
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        return None
    try:
        claim = msgspec.json.decode(os.pread(handle, CLAIM_BYTES, 0), type=Claim)
    except msgspec.DecodeError:
        return None
    return msgspec.structs.replace(claim, user=_owner(handle)) if RUN_ID.fullmatch(claim.run_id) else None


def _owner(handle: int) -> str:
    """Who made the file, whatever stands in it."""
    number = os.fstat(handle).st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
