"""Whose a process is."""

import os
import subprocess
import sys

from vlad.host.owners import Owner, owner_of, user_name


def test_a_process_tells_its_run_its_user_and_its_program() -> None:
    code = "import time; print(flush=True); time.sleep(300)"
    tagged = {**os.environ, "VLAD_RUN_ID": "20261122-0931-mine-7f3a"}
    process = subprocess.Popen([sys.executable, "-c", code], env=tagged, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        found = owner_of(process.pid)
        assert (found.run_id, found.user) == ("20261122-0931-mine-7f3a", user_name(os.geteuid()))
        assert found.program.startswith("python")
    finally:
        process.kill()
        process.communicate()
    assert owner_of(process.pid) == Owner()


def test_a_process_of_nobody_known_has_no_run() -> None:
    assert owner_of(os.getpid()).user == user_name(os.geteuid())
    assert user_name(2**31 - 7) == str(2**31 - 7)
