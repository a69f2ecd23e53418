"""What the host does for a training step beside launching it, on one core: telling, drawing the order, decoding.

    PYTHONPATH=supervisor:trainer python benchmarks/host_work.py [--step 0.2]

Each part beside an alternative, and its share of a step of so many seconds with 16 samples.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from vlad.report import Reporter
from vlatrain.data.jpeg import decoded, encoded
from vlatrain.data.order import batch_indices, sample_order
from vlatrain.distributed import Ranks
from vlatrain.train.reports import Reports

BATCH = 16
FRAMES = 1_000_000
MEANS = {"loss": 1.25, "action_accuracy": 0.5, "l1_loss": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=float, default=0.2, help="seconds of a step, which shares are of")
    step_s = parser.parse_args().step
    with tempfile.TemporaryDirectory() as folder:
        telling_s = median(telling(Path(folder)), 2000)
    silent_s = median(telling(None), 2000)
    show("telling a step: progress line and log line", telling_s, step_s, "log line alone", silent_s)
    sample_order(7, 0, FRAMES)
    place_s = median(lambda: batch_indices(7, FRAMES, 12_345, BATCH), 2000)
    whole_s = median(fresh_order(), 3)
    show("order of a batch, of a million frames", place_s, step_s, "a whole epoch's, once an epoch", whole_s)
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    content = encoded(picture)
    ours_s = BATCH * median(lambda: decoded(content), 200)
    pillow_s = BATCH * median(lambda: np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), 200)
    show("decoding a batch of 256 x 256", ours_s, step_s, "Pillow", pillow_s)
    print(f"one core decodes {BATCH / ours_s:.0f} pictures a second; a step takes {BATCH / step_s:.0f}")


def telling(folder: Path | None) -> Callable[[], None]:
    """What a logged step tells, into the run's files and the log."""
    reports, log = Reports(Reporter(folder), Ranks()), io.StringIO()

    def tell() -> None:
        with contextlib.redirect_stdout(log):
            reports.took(0.2)
            reports.step(1, 5e-4, MEANS, BATCH, 0.5)
        log.seek(0)

    return tell


def fresh_order() -> Callable[[], object]:
    """Another epoch each time."""
    epochs = iter(range(1, 1000))
    return lambda: sample_order(7, next(epochs), FRAMES)


def median(work: Callable[[], object], times: int) -> float:
    """Seconds of one call."""
    work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def show(name: str, taken_s: float, step_s: float, other: str, other_s: float) -> None:
    print(
        f"{name}: {1e6 * taken_s:.1f} us, {100 * taken_s / step_s:.4f} % of a step; "
        f"{other}: {1e6 * other_s:.1f} us ({other_s / taken_s:.2f} times)"
    )


if __name__ == "__main__":
    main()
