"""The GPU queue on true GPUs: three runs on two of them, kills in between, and a stranger. Prints what happened.

    PYTHONPATH=supervisor python benchmarks/gpu_queue_check.py            on a host with two GPUs or more
    PYTHONPATH=supervisor python benchmarks/gpu_queue_check.py --pretend  without any: the order of events only

Needs vlad's own dependencies and the NVIDIA driver; no torch. Exit status 1 where something was not as it should be.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vlad.host import processes
from vlad.host.gpu_probe import read_gpus
from vlad.host.gpus import GpuReading
from vlad.records.run import State
from vlad.records.rundir import Home

PATIENCE_S = 60.0
GIB = 2**30
USED_GIB = 4
HOLD = f"""
import ctypes, os, sys, time
cuda, handle, context, memory = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
def must(what, status):
    if status:
        sys.exit(f"{{what}}: CUDA error {{status}}")
must("cuInit", cuda.cuInit(0))
count = ctypes.c_int()
must("cuDeviceGetCount", cuda.cuDeviceGetCount(ctypes.byref(count)))
must("cuDeviceGet", cuda.cuDeviceGet(ctypes.byref(handle), 0))
must("cuCtxCreate", cuda.cuCtxCreate_v2(ctypes.byref(context), 0, handle))
must("cuMemAlloc", cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t({USED_GIB} << 30)))
print(f"sees {{count.value}} GPU, holds {USED_GIB} GiB", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.05)
"""
PRETEND = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]):\n    time.sleep(0.05)\n"
BOOT = (sys.executable, "-c", "from vlad.cli import main; main()")


class Check:
    """One pass of the whole story, in a home and a folder of leases of its own."""

    def __init__(self, folder: Path, *, pretend: bool) -> None:
        self.folder = folder
        self.program = PRETEND if pretend else HOLD
        self.fake = folder / "gpus.json" if pretend else None
        self.home = Home(folder / "home")
        self.failures = 0
        self.began = time.monotonic()
        os.environ["VLAD_HOME"] = str(self.home.path)
        os.environ["XDG_CONFIG_HOME"] = str(folder)
        (folder / "vlad").mkdir()
        (folder / "vlad" / "config.yaml").write_text(f"gpus: {{lock_folder: {folder / 'leases'}}}\n")
        if self.fake is not None:
            os.environ["VLAD_GPU_PROVIDER"] = str(self.fake)
            self.pretend_use(0)

    def pretend_use(self, used_bytes: int) -> None:
        gpus = [{"index": index, "uuid": f"GPU-{index}", "used_bytes": used_bytes} for index in range(2)]
        assert self.fake is not None
        self.fake.write_text(json.dumps({"gpus": gpus}))

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self.began:6.2f} s  {words}", flush=True)

    def expect(self, what: str, holds: bool) -> None:
        self.failures += not holds
        self.say(f"{'ok ' if holds else 'NOT'} {what}")

    def within(self, what: str, condition: Callable[[], Any]) -> None:
        """Expects it to become true, and says after how long."""
        began = time.monotonic()
        while not (holds := bool(condition())) and time.monotonic() - began < PATIENCE_S:
            time.sleep(0.02)
        self.expect(f"{what} ({time.monotonic() - began:.2f} s)", holds)

    def vlad(self, *words: str) -> str:
        done = subprocess.run([*BOOT, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            self.say(f"vlad {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def start(self, name: str, count: int = 1) -> str:
        words = (sys.executable, "-c", self.program, str(self.folder / name))
        return self.vlad("start", "--name", name, "--gpus", str(count), "--", *words)

    def state(self, run_id: str) -> State:
        return self.home.run(run_id).read_record().state

    def gpus(self, run_id: str) -> list[str]:
        return [gpu.uuid for gpu in self.home.run(run_id).read_record().gpus]

    def reason(self, run_id: str) -> str:
        queue = self.home.run(run_id).read_record().queue
        return "" if queue is None else f"{queue.position} of {queue.length}: {queue.reason}"

    def reading(self, uuid: str) -> GpuReading:
        return next(gpu for gpu in read_gpus().gpus if gpu.uuid == uuid)

    def is_used_by(self, run_id: str) -> bool:
        """The run's program has its memory on the GPU of its lease, as NVML tells it."""
        if self.fake is not None:
            return True
        return all(self.reading(uuid).used_bytes >= USED_GIB * GIB for uuid in self.gpus(run_id))

    def kill(self, run_id: str, *, guards_only: bool) -> None:
        """At once, so that nobody sees another's death."""
        tags = [b"VLAD_SUPERVISES"] if guards_only else [b"VLAD_SUPERVISES", b"VLAD_RUN_ID"]
        found = [
            pid
            for pid in processes.all_processes()
            if any(processes.environment_of(pid).get(tag) == run_id.encode() for tag in tags)
        ]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                os.kill(pid, number)

    def run(self) -> int:
        first, second, third = self.three_runs_on_two_gpus()
        self.leases_outlive_guards(second, third)
        self.death_frees_a_lease(first, second, third)
        self.strangers_are_waited_for(second, third)
        self.say("all as it should be" if not self.failures else f"{self.failures} things were not as they should be")
        return min(self.failures, 1)

    def three_runs_on_two_gpus(self) -> list[str]:
        there = len(read_gpus().gpus)
        spare = [self.start("spare") for _ in range(there - 2)]
        runs = [self.start(name) for name in ("first", "second", "third")]
        for run_id in (*spare, *runs[:2]):
            self.within(f"{run_id} runs on its GPU", partial(self.is_running, run_id))
        held = [uuid for run_id in runs[:2] for uuid in self.gpus(run_id)]
        self.expect(f"the first two hold different GPUs: {held}", len(set(held)) == 2)
        self.within("the third waits", lambda: self.reason(runs[2]))
        self.say(f"    {self.reason(runs[2])}")
        self.expect("it is QUEUED", self.state(runs[2]) is State.QUEUED)
        print(self.vlad("gpus"), flush=True)
        return runs

    def is_running(self, run_id: str) -> bool:
        return self.state(run_id) is State.RUNNING and self.is_used_by(run_id)

    def leases_outlive_guards(self, second: str, third: str) -> None:
        self.say("kill -9 of keeper and supervisor of the second run; its program lives")
        before = self.gpus(second)
        self.kill(second, guards_only=True)
        time.sleep(2)
        self.expect("the third still waits", self.state(third) is State.QUEUED)
        self.vlad("ls")
        self.within("another guard has adopted the second", lambda: self.is_guarded(second))
        self.expect("the second still holds its GPU", self.gpus(second) == before and self.is_used_by(second))

    def is_guarded(self, run_id: str) -> bool:
        supervisor = self.home.run(run_id).read_record().supervisor
        return supervisor is not None and processes.is_alive(supervisor)

    def death_frees_a_lease(self, first: str, second: str, third: str) -> None:
        self.say("kill -9 of every process of the first run")
        freed = self.gpus(first)
        self.kill(first, guards_only=False)
        self.within("the third has started", lambda: self.is_running(third))
        self.expect(f"on the GPU of the first: {self.gpus(third)}", self.gpus(third) == freed)
        self.expect("the second runs on", self.is_running(second))

    def strangers_are_waited_for(self, second: str, third: str) -> None:
        """A program that knows nothing of leases takes memory where the second run had its GPU."""
        freed = self.gpus(second)[0]
        (self.folder / "second").touch()
        self.within("the second has ended", lambda: self.state(second).is_final)
        stranger = self.start_stranger(freed)
        fourth = self.start("fourth")
        self.within("the fourth waits for the stranger", lambda: "used by others" in self.reason(fourth))
        self.say(f"    {self.reason(fourth)}")
        print(self.vlad("gpus"), flush=True)
        self.end_stranger(stranger)
        self.within("the stranger has gone, the fourth has started", lambda: self.is_running(fourth))
        self.expect("the third ran all the time", self.is_running(third))

    def start_stranger(self, uuid: str) -> "subprocess.Popen[bytes] | None":
        if self.fake is not None:
            self.pretend_use(USED_GIB * GIB)
            return None
        words = [sys.executable, "-c", HOLD, str(self.folder / "never")]
        stranger = subprocess.Popen(words, env={**os.environ, "CUDA_VISIBLE_DEVICES": uuid})
        self.within("a stranger uses its GPU", lambda: self.reading(uuid).used_bytes >= USED_GIB * GIB)
        return stranger

    def end_stranger(self, stranger: "subprocess.Popen[bytes] | None") -> None:
        if stranger is None:
            self.pretend_use(0)
        else:
            stranger.kill()
            stranger.wait()

    def end(self) -> None:
        for run_id in self.home.run_ids():
            self.kill(run_id, guards_only=False)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="gpu-queue-") as folder:
        check = Check(Path(folder), pretend="--pretend" in sys.argv)
        try:
            return check.run()
        finally:
            check.end()


if __name__ == "__main__":
    sys.exit(main())
