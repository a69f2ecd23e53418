"""The same training step on several GPUs, in processes that tell where they are and end in time, whatever hangs.

    python3 benchmarks/speed_scaling.py RANK WORLD PORT     # one process of it; gpu_bench.py starts them

A rank prints each stage with its time. The ranks compile at the same time, each its own programs, and meet at a barrier
before the first collective of the GPUs and before the clock starts. No collective is captured: a pass is one graph,
and the sum of all gradients over the ranks comes behind it on the same stream.
"""

import faulthandler
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from speed_place import DEVICE, IS_TRIAL, model_config, possible, random_model, wait
from speed_steps import BF16, Setting, codec_7b, endless, made_batches, our_step, told
from timed_parts import Note
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.distributed import Ranks
from vlatrain.train.learner import learner_of

SETTING = Setting(2 if IS_TRIAL else 16)
STEPS, WARM_UP = (4, 2) if IS_TRIAL else (16, 4)
STAGE_S = 120
"""A stage that takes longer ends its rank, which tells where each of its threads stood."""
GRACE_S = 5


def scaling(note: Note, most_s: float) -> None:
    """1, 2, 4… ranks in turn, as many as there are GPUs; each within what is left of `most_s`."""
    until, count = time.monotonic() + most_s, 1
    while count <= (2 if IS_TRIAL else torch.cuda.device_count()):
        found = on(count, until - time.monotonic())
        note({"gpus": count, **found})
        speed = f"{found['step_s']:.4f} s/step, {found['samples_per_s']:.1f} samples/s" if "step_s" in found else found
        print(f"{count} GPUs: {speed}", flush=True)
        count *= 2


def on(count: int, most_s: float) -> dict[str, Any]:
    """What the first of `count` ranks measured, or `failed` with where each rank stood last."""
    with tempfile.TemporaryDirectory() as folder:
        port = str(_free_port())
        logs = [Path(folder) / f"rank{rank}.log" for rank in range(count)]
        ranks = []
        for rank, path in enumerate(logs):
            with path.open("w") as log:
                words = [sys.executable, __file__, str(rank), str(count), port]
                ranks.append(subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=_environment(rank)))
        try:
            _wait_for(ranks, time.monotonic() + most_s)
        finally:
            for one in ranks:
                one.kill()
                one.wait()
        told = [path.read_text() for path in logs]
    if all(rank.returncode == 0 for rank in ranks):
        found: dict[str, Any] = json.loads(told[0].splitlines()[-1])
        return found | {"samples_per_s": count * SETTING.batch / found["step_s"]}
    print("\n".join(text[-3000:] for text in told), flush=True)
    return {"failed": [text.strip().splitlines()[-1:] for text in told]}


def _environment(rank: int) -> dict[str, str]:
    """A rank compiles into a folder of its own: programs name their device, and in one folder ranks wait for locks."""
    own = Path(tempfile.gettempdir()) / f"compiled-rank{rank}"
    return {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(own)} if rank else dict(os.environ)


def _wait_for(ranks: list[subprocess.Popen[bytes]], until: float) -> None:
    """Until all have ended; one that fails, or the end of the time, ends the others."""
    while any(rank.poll() is None for rank in ranks):
        has_failed = any(rank.poll() not in (None, 0) for rank in ranks)
        if has_failed or time.monotonic() > until:
            time.sleep(GRACE_S)  # the others may be about to say what happened
            for rank in ranks:
                rank.kill()
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Stages:
    """Tells how long each took; one that does not end ends the process."""

    def __init__(self, rank: int) -> None:
        self._rank, self._began = rank, time.monotonic()

    def begins(self, name: str) -> None:
        faulthandler.dump_traceback_later(STAGE_S, exit=True)
        print(f"rank {self._rank}, {time.monotonic() - self._began:6.1f} s: {name}", flush=True)


def rank_main(rank: int, count: int, port: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": str(rank), "WORLD_SIZE": str(count)}
    stages = Stages(rank)
    stages.begins("joins")
    device = DEVICE if IS_TRIAL else torch.device("cuda", rank)
    meeting = _joined(device)
    stages.begins("makes the model")
    config = FinetuneConfig(batch_size=SETTING.batch, **possible(BF16.settings or {}))
    learner = learner_of(random_model(), config, None, Ranks(), device)
    step = our_step(learner, endless([*made_batches(SETTING)]), codec_7b(model_config()), config)
    stages.begins("sends its first sum")
    if dist.is_initialized():
        dist.all_reduce(torch.zeros(1, device=device))
    wait()
    stages.begins("compiles, captures and makes its first step")
    step()
    wait()
    stages.begins("waits for the others")
    if meeting is not None:
        dist.barrier(group=meeting)
    stages.begins("makes steps")
    times = []
    for _ in range(WARM_UP + STEPS):
        before = time.perf_counter()
        step()
        times.append(time.perf_counter() - before)
    wait()
    stages.begins("leaves")
    if dist.is_initialized():
        dist.barrier(group=meeting)
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps(told(BF16, SETTING, times[-STEPS:], 0)), flush=True)
    sys.stdout.flush()
    os._exit(0)  # the group is not taken apart: that waits for graphs and threads that the end of a process needs not


def _joined(device: torch.device) -> dist.ProcessGroup | None:
    """The group that averages gradients, and one on the CPU to meet in; none for a single rank."""
    if os.environ["WORLD_SIZE"] == "1":
        return None
    if device.type == "cuda":
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device, timeout=timedelta(seconds=STAGE_S))
    else:
        dist.init_process_group("gloo", timeout=timedelta(seconds=STAGE_S))
    meeting: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=timedelta(seconds=STAGE_S))
    return meeting


if __name__ == "__main__":
    rank_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
