"""What the host does beside launching, on one core: for a training step telling, drawing the order, decoding; and for
an evaluation's answer the pictures of 64 simulators.

    PYTHONPATH=supervisor:trainer python benchmarks/host_work.py [--step 0.2] [--call 0.37]

Each part beside an alternative, and its share of a step of so many seconds with 16 samples, or of a call of the policy
with 64 rows.
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
import torch
from PIL import Image as Pillow
from vlad.report import Reporter
from vlatrain.configuration.simulation import Videos
from vlatrain.data.jpeg import decoded, encoded
from vlatrain.data.order import indices_at, sample_order
from vlatrain.distributed import Ranks
from vlatrain.evaluate.policy import as_stored, on_device
from vlatrain.evaluate.results import Episode
from vlatrain.evaluate.venue import Image, Observation
from vlatrain.evaluate.videos import Films
from vlatrain.train.reports import Reports

BATCH, ROWS, FILMED = 16, 64, 8
FRAMES = 1_000_000
MEANS = {"loss": 1.25, "action_accuracy": 0.5, "l1_loss": 0.1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", type=float, default=0.2, help="seconds of a step, which shares are of")
    parser.add_argument("--call", type=float, default=0.37, help="seconds of an answer to 64 rows")
    options = parser.parse_args()
    step_s = options.step
    with tempfile.TemporaryDirectory() as folder:
        telling_s = median(telling(Path(folder)), 2000)
    silent_s = median(telling(None), 2000)
    show("telling a step: progress line and log line", telling_s, step_s, "log line alone", silent_s)
    sample_order(7, 0, FRAMES)
    place_s = median(lambda: indices_at(7, FRAMES, np.arange(12_345, 12_345 + BATCH)), 2000)
    whole_s = median(fresh_order(), 3)
    show("order of a batch, of a million frames", place_s, step_s, "a whole epoch's, once an epoch", whole_s)
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    content = encoded(picture)
    ours_s = BATCH * median(lambda: decoded(content), 200)
    pillow_s = BATCH * median(lambda: np.asarray(Pillow.open(io.BytesIO(content)).convert("RGB")), 200)
    show("decoding a batch of 256 x 256", ours_s, step_s, "Pillow", pillow_s)
    print(f"one core decodes {BATCH / ours_s:.0f} pictures a second; a step takes {BATCH / step_s:.0f}")
    evaluating(options.call)


def evaluating(call_s: float) -> None:
    """What lies between two answers of the policy."""
    stored_s, seen_s = (median(showing(is_stored=is_stored), 20) for is_stored in (True, False))
    name = f"{ROWS} pictures that simulators passed through the JPEG"
    show(name, stored_s, call_s, "passed between two answers", seen_s, whole="a call")
    with tempfile.TemporaryDirectory() as folder:
        handed_s, filmed_s = filming(Path(folder))
    show(f"filming {ROWS} episodes, handed over", handed_s, call_s, "until encoded", filmed_s, whole="a call")


def showing(*, is_stored: bool) -> Callable[[], object]:
    """Pictures of simulators made a batch for the model."""
    device = torch.device("cpu")
    seen = [Observation(picture_of(number), is_stored=is_stored) for number in range(ROWS)]
    return lambda: on_device([as_stored(one).image for one in seen], device)


def filming(folder: Path) -> tuple[float, float]:
    """Seconds that a picture of each episode takes of the rollout, and of the thread."""
    films = Films(folder, ("lift the cup",), Videos.ALL, lambda task, success: True)
    pictures = [picture_of(number) for number in range(ROWS)]
    started, handed_s = time.perf_counter(), 0.0
    for step in range(FILMED):
        began = time.perf_counter()
        for trial in range(ROWS):
            films.see(Episode(task=0, trial=trial), pictures[(trial + step) % ROWS], is_start=step == 0)
        handed_s += time.perf_counter() - began
        films.wait()
    taken_s = time.perf_counter() - started
    films.close()
    return handed_s / FILMED, taken_s / FILMED


def picture_of(number: int) -> Image:
    return np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


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


def show(name: str, taken_s: float, whole_s: float, other: str, other_s: float, *, whole: str = "a step") -> None:
    print(
        f"{name}: {1e6 * taken_s:.1f} us, {100 * taken_s / whole_s:.4f} % of {whole}; "
        f"{other}: {1e6 * other_s:.1f} us ({other_s / taken_s:.2f} times)"
    )


if __name__ == "__main__":
    main()
