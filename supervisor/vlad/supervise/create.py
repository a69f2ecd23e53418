"""Makes the folder of a new run: it appears whole or not at all."""

import shutil
import time

import msgspec

from vlad.records.files import JournalWriter, private_folder, sync_folder, write_new
from vlad.records.run import Created, fold
from vlad.records.rundir import Home, RunDirectory
from vlad.records.spec import RunSpec
from vlad.supervise.reserve import keep_reserve


def create_run(home: Home, spec: RunSpec) -> RunDirectory:
    """The folder of a new run in state QUEUED, listed as live; `detach.start` makes it go.

    Raises RecordError where the home is not ours, OSError where the disk refuses; nothing is left behind then.
    """
    run = home.prepare().run(spec.run_id)
    aside = RunDirectory(home.runs / f".{spec.run_id}.new")
    try:
        private_folder(aside.path)
        _fill(aside, spec)
        aside.path.rename(run.path)
    except BaseException:
        shutil.rmtree(aside.path, ignore_errors=True)
        raise
    sync_folder(home.runs)
    home.mark_live(spec.run_id)
    return run


def _fill(run: RunDirectory, spec: RunSpec) -> None:
    private_folder(run.requests)
    private_folder(run.trainer_requests)
    private_folder(run.path / "attempts")
    write_new(run.spec, msgspec.json.encode(spec))
    created = Created(
        seq=1,
        at=time.time(),
        run_id=spec.run_id,
        name=spec.name,
        nproc=spec.nproc,
        host=spec.host,
        tty=spec.tty,
        cwd=spec.cwd,
        part_of=spec.part_of,
    )
    journal = JournalWriter(run.events)
    journal.append(msgspec.json.encode(created), durable=True)
    journal.close()
    keep_reserve(run)
    write_new(run.state, msgspec.json.encode(fold(None, created)))
    sync_folder(run.path)
