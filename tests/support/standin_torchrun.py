"""What torchrun does to processes, in a tenth of a second: each rank in its own session; one fails, all are ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import witness


def main() -> int:
    ranks, *program = sys.argv[1:]
    witness.sign("torchrun")
    started = [start(rank, int(ranks), program) for rank in range(int(ranks))]

    def hand_on(number: int, frame: object) -> None:
        for one in started:
            one.send_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, hand_on)
    return watch(started)


def start(rank: int, ranks: int, program: list[str]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(ranks)}
    return subprocess.Popen([sys.executable, *program], env=environment, start_new_session=True)


def watch(started: "list[subprocess.Popen[bytes]]") -> int:
    by_pid = {one.pid: one for one in started}
    while by_pid:
        pid, status = os.wait()
        if by_pid.pop(pid, None) is not None and status != 0:
            print(f"a rank failed with status {status}", flush=True)
            for one in by_pid.values():
                if Path(f"/proc/{one.pid}").exists():
                    os.kill(one.pid, signal.SIGTERM)
            return 1
    return 0


if __name__ == "__main__":
    code = main()
    witness.leave(code)
    sys.exit(code)
