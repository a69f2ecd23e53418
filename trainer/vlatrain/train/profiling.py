"""Where the time of a step goes, told in the log: kernels of the device by their time, and how busy they keep it."""

import time
from collections.abc import Callable, Iterator

import torch
from torch.profiler import ProfilerActivity, profile

WARM_UP_STEPS = 10
ROWS = 20


class StepProfile:
    """Looks at `steps` steps once the first ones, which compile and capture, are made; then tells line after line."""

    def __init__(self, steps: int, device: torch.device, tell: Callable[[str], None]) -> None:
        """`steps` 0 looks at none."""
        self._steps = steps
        self._device = device
        self._tell = tell
        self._made = 0
        self._profile: profile | None = None
        self._begun = 0.0

    def made_one(self) -> None:
        """To be called after each step; waits for the device where the look begins and where it ends."""
        if not self._steps or self._made > WARM_UP_STEPS + self._steps:
            return
        self._made += 1
        if self._made == WARM_UP_STEPS:
            self._begin()
        elif self._made == WARM_UP_STEPS + self._steps:
            self.close()

    def close(self) -> None:
        """Ends a look that goes on, and tells what was seen until now."""
        looked, self._profile = self._profile, None
        if looked is not None:
            self._end(looked, max(1, self._made - WARM_UP_STEPS))

    def _begin(self) -> None:
        self._wait()
        is_cuda = self._device.type == "cuda"
        self._profile = profile(activities=[ProfilerActivity.CUDA if is_cuda else ProfilerActivity.CPU])
        self._profile.start()
        self._begun = time.perf_counter()

    def _end(self, looked: profile, steps: int) -> None:
        self._wait()
        taken_s = time.perf_counter() - self._begun
        looked.stop()
        for line in lines(looked, taken_s, steps, is_cuda=self._device.type == "cuda"):
            self._tell(line)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def lines(looked: profile, taken_s: float, steps: int, *, is_cuda: bool) -> Iterator[str]:
    """Times of one step. Kernels that ran at the same time count twice, so their sum may pass the step's time."""
    found = [
        (one.self_device_time_total if is_cuda else one.self_cpu_time_total, one.count, one.key)
        for one in looked.key_averages()
    ]
    total_us = sum(us for us, _, _ in found)
    kind = "kernels" if is_cuda else "operators"
    share = total_us / 1e4 / taken_s
    yield f"{steps} steps of {1e3 * taken_s / steps:.2f} ms, of which {kind} {share:.0f} %; in one step:"
    for us, count, name in sorted(found, reverse=True)[:ROWS]:
        yield f"{us / 1e3 / steps:9.3f} ms {count / steps:8.1f} x  {name[:110]}"
