"""Does the method forget less? Fine-tunes the shipped base on new words, and asks it again in its old ones.

    PYTHONPATH=supervisor:trainer python3 benchmarks/method_ablation.py --out .ablation --write docs/method.md

The teacher is the base that ships, taught on the broad suite tabletop_base; each variant is fine-tuned on the narrow
suite tabletop_new with several seeds, and then evaluated on both: what it learned, and what it still can. Successes of
all seeds are pooled; intervals are Wilson's at 95 %. Variants differ in nothing but the fields that VARIANTS names.

--steps, --seeds and --trials bound the time: about 15 minutes with `--steps 200 --seeds 1 --trials 2` on two CPU cores.
What is done is kept in --out, and a second call goes on from there.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from vlad.records.interval import wilson_interval
from vlatrain.configuration.finetune import Device, FinetuneConfig, LrScheduler, Precision
from vlatrain.configuration.method import Estimator, StatesAt, ThermostatMode
from vlatrain.configuration.places import base_model_folder, placed
from vlatrain.data.rlds import RLDSDataset
from vlatrain.data.training_set import ensure_demonstrations
from vlatrain.distributed import Board, Ranks
from vlatrain.evaluate.evaluation import evaluate
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.evaluate.tabletop import TabletopSuite
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec
from vlatrain.model.openvla import OpenVLA
from vlatrain.tools.offline import compute_statistics
from vlatrain.train.loop import train
from vlatrain.train.session import open_session

OLD, NEW = "tabletop_base", "tabletop_new"
TEACHER = "teacher, not fine-tuned"
HSW: dict[str, Any] = {"method_enabled": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain LoRA": {},
    "HSW, beta 0.5, gamma 0.1": {
        **HSW,
        "thermostat_mode": ThermostatMode.FIXED,
        "hsw_beta": 0.5,
        "hsw_gamma": 0.1,
    },
    "HSW, beta 0, gamma 0": {**HSW, "thermostat_mode": ThermostatMode.FIXED, "hsw_beta": 0.0, "hsw_gamma": 0.0},
    "HSW + Thermostat": {**HSW, "thermostat_estimator": Estimator.PAIRED},
    "HSW + Thermostat, drift estimated as originally": {**HSW, "thermostat_estimator": Estimator.ORIGINAL},
}
BEGINS, ENDS = "<!-- ablation: written by benchmarks/method_ablation.py -->", "<!-- end of the ablation -->"


class Job(NamedTuple):
    """One run: a variant with a seed."""

    variant: str
    seed: int
    config: FinetuneConfig
    trials: int
    found: Path


def main() -> None:
    options = _options()
    root = options.out.absolute()
    root.mkdir(parents=True, exist_ok=True)
    config = _config(root, options)
    for suite in (OLD, NEW):
        ensure_demonstrations(config.data_root_dir, suite)
    _statistics(config)
    chosen = [name for name in VARIANTS if not options.only or any(part in name for part in options.only)]
    jobs = [_job(TEACHER, 0, config, options), *_jobs(chosen, config, options)]
    with multiprocessing.get_context("spawn").Pool(options.processes, maxtasksperchild=1) as pool:
        pool.map(run, [job for job in jobs if not job.found.exists()], chunksize=1)
    lines = table(jobs, options)
    print("\n".join(lines))
    if options.write:
        write_between(options.write, lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".ablation"), help="data, statistics, results")
    parser.add_argument("--write", type=Path, help="a page whose part between the two markers becomes the table")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--trials", type=int, default=4, help="episodes of each old task; twice as many of each new one"
    )
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of variants")
    parser.add_argument("--processes", type=int, default=2, help="runs side by side")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def _config(root: Path, options: argparse.Namespace) -> FinetuneConfig:
    """What all variants share."""
    config = FinetuneConfig(
        project_root=root,
        vla_path=OLD,
        dataset_name=NEW,
        probe_dataset_name=OLD,
        batch_size=16,
        max_steps=options.steps,
        save_steps=options.steps,
        learning_rate=options.learning_rate,
        min_learning_rate=options.learning_rate / 10,
        lr_scheduler=LrScheduler.COSINE,
        lr_warmup_steps=min(20, options.steps),
        lora_rank=16,
        image_aug=False,
        use_wandb=False,
        log_every_steps=10,
        device=Device(options.device),
        precision=Precision.FP32,
        icsm_rank=64,
        icsm_states=StatesAt.INPUT,
        icsm_layer_ids=(0, 1, 2, 3),
        probe_batch_size=16,
        thermostat_update_interval=max(1, options.steps // 60),
        thermostat_warmup_steps=max(1, options.steps // 60),
    )
    return placed(config, root)


def _statistics(config: FinetuneConfig) -> None:
    """Of the teacher, on the broad suite: made once."""
    fields = ("vla_path", "probe_dataset_name", "icsm_rank", "icsm_states", "icsm_layer_ids", "device", "precision")
    words = [f"--{name}={_word(getattr(config, name))}" for name in (*fields, "project_root")]
    if not (config.artifact_dir / f"icms_{OLD}" / "meta.json").is_file():
        compute_statistics(words, os.environ)


def _word(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _jobs(variants: Sequence[str], config: FinetuneConfig, options: argparse.Namespace) -> list[Job]:
    return [_job(variant, seed, config, options) for seed in range(options.seeds) for variant in variants]


def _job(variant: str, seed: int, config: FinetuneConfig, options: argparse.Namespace) -> Job:
    name = "".join(letter if letter.isalnum() else "-" for letter in variant)
    own = replace(config, seed=seed, run_id_note=f"{name}-{seed}", **VARIANTS.get(variant, {}))
    assert config.project_root is not None
    folder = config.project_root / f"results-{options.steps}-{options.learning_rate:g}-{options.trials}"
    folder.mkdir(exist_ok=True)
    return Job(variant, seed, own, options.trials, folder / f"{name}-{seed}.json")


def run(job: Job) -> None:
    """Trains where there is something to train, evaluates on both suites and notes the successes."""
    torch.set_num_threads(1)
    if job.variant == TEACHER:
        base = base_model_folder(job.config, {})
        assert base is not None
        device = torch.device(job.config.device)
        found = successes(load_base(base, device).eval(), Codec.from_folder(base), job, device, torch.float32)
    else:
        with open_session(job.config) as session:
            train(session)
            learner = session.learner
            learner.vla.eval()
            found = successes(learner.vla, session.codec, job, learner.device, learner.dtype)
            told = {} if learner.method is None else learner.method.metrics()
            found["method"] = {name: told[name] for name in ("drift", "beta", "gamma") if name in told}
    job.found.write_text(json.dumps({"variant": job.variant, "seed": job.seed, **found}))
    print(job.found.read_text(), flush=True)


def successes(
    vla: OpenVLA, codec: Codec, job: Job, device: torch.device, dtype: torch.dtype
) -> dict[str, dict[str, float]]:
    """Successes and episodes on each suite; actions are un-normalised as the suite's own demonstrations are."""
    found: dict[str, dict[str, float]] = {}
    for suite, trials in ((NEW, 2 * job.trials), (OLD, job.trials)):
        statistics = RLDSDataset(job.config.data_root_dir / suite, cache_dir=job.config.cache_dir).statistics
        policy = LivePolicy(
            vla=vla,
            codec=codec,
            device=device,
            dtype=dtype,
            statistics=statistics[suite]["action"],
            is_cropped=False,
        )
        ranks = Ranks()
        result = evaluate(
            policy,
            TabletopSuite(suite, None),
            trials=trials,
            batch_size=64,
            ranks=ranks,
            board=Board(ranks, suite),
            wants_stop=lambda: False,
            progress=lambda done, total: None,
        )
        assert result is not None
        found[suite] = {"successes": result.successes, "episodes": result.episodes}
    return found


def table(jobs: Sequence[Job], options: argparse.Namespace) -> list[str]:
    """The results in Markdown: a row a variant."""
    results: dict[str, list[dict[str, Any]]] = {}
    for job in jobs:
        results.setdefault(job.variant, []).append(json.loads(job.found.read_text()))
    lines = [
        f"{options.steps} steps of batch 16 at learning rate {options.learning_rate:g}, {options.seeds} seeds; "
        f"each seed is evaluated on {20 * options.trials} new and {25 * options.trials} old episodes.",
        "",
        "| variant | new tasks (95 %) | by seed | old tasks (95 %) | by seed | beta, gamma at the end |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    return [*lines, *(_row(variant, found) for variant, found in results.items())]


def _row(variant: str, found: Sequence[Mapping[str, Any]]) -> str:
    cells = [variant]
    for suite in (NEW, OLD):
        counts = [(one[suite]["successes"], one[suite]["episodes"]) for one in found]
        good, total = (sum(column) for column in zip(*counts, strict=True))
        low, high = wilson_interval(good, total)
        cells.append(f"{100 * good / total:.1f} ({low:.1f} to {high:.1f})")
        cells.append(" ".join(f"{100 * one / all_:.0f}" for one, all_ in counts))
    steered = [one["method"] for one in found if one.get("method")]
    ends = (" ".join(f"{one[name]:.2f}" for one in steered) for name in ("beta", "gamma"))
    return f"| {' | '.join(cells)} | {' / '.join(ends) if steered else ''} |"


def write_between(page: Path, lines: Sequence[str]) -> None:
    """Replaces what stands between the two markers of a page."""
    before, found, rest = page.read_text().partition(BEGINS)
    _, ended, after = rest.partition(ENDS)
    if not found or not ended:
        raise SystemExit(f"{page}: lacks the lines {BEGINS} and {ENDS}")
    page.write_text(f"{before}{BEGINS}\n\n" + "\n".join(lines) + f"\n\n{ENDS}{after}")


if __name__ == "__main__":
    main()
