"""What weights in fp8 do to learning: the tabletop's tiny base, trained with its decoder in fp8 and as it is, by seeds.

    PYTHONPATH=supervisor:trainer python benchmarks/fp8_learning.py [--seeds 5] [--steps 120] [--write docs/speed.md]

Both sides of a seed have the same adapters, samples and order, and compute in fp32 otherwise; on a CPU the products in
fp8 are emulated. Told is the loss on samples not trained on, and the difference with its 95 % interval over seeds. Each
seed is kept in benchmarks/results/fp8-learning.json; those that are there for so many steps are not measured again.
"""

import argparse
import json
import os
import statistics
from dataclasses import replace
from pathlib import Path

import torch
from marked_page import replace_between
from vlatrain.configuration.finetune import Device, FinetuneConfig, Precision
from vlatrain.configuration.places import base_model_folder, placed
from vlatrain.configuration.speed import BasePrecision
from vlatrain.data.batches import Batches
from vlatrain.data.training_set import open_training_set
from vlatrain.distributed import Ranks
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec
from vlatrain.train.learner import Learner, learner_of
from vlatrain.train.step import model_inputs, train_step

Measured = tuple[float, float, float]
"""Losses of a seed: before, after training the base as it is, after training it in fp8"""
KEPT = Path(__file__).parent / "results" / "fp8-learning.json"
CPU = torch.device("cpu")
HELD_OUT = 8
BEGIN, END = "<!-- fp8 learning: begin -->", "<!-- fp8 learning: end -->"
STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""97.5 % quantiles of Student's t for so many seeds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(".fp8"), help="folder of the demonstrations")
    parser.add_argument("--seeds", type=int, choices=STUDENT, default=5)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--kept", type=Path, default=KEPT, help=f"what is measured already (default {KEPT})")
    parser.add_argument("--write", type=Path, help="a page whose part between two marks becomes the result")
    options = parser.parse_args()
    known: dict[str, Measured] = json.loads(options.kept.read_text()) if options.kept.exists() else {}
    pairs = []
    for seed in range(options.seeds):
        name = f"{options.steps} steps, seed {seed}"
        if name not in known:
            known[name] = measured(options, seed)
            options.kept.write_text(json.dumps(known, indent=1) + "\n")
        pairs.append(known[name])
        before, plain, rounded = known[name]
        print(f"seed {seed}: before {before:.4f}, after {plain:.4f}, in fp8 {rounded:.4f}", flush=True)
    told = report(pairs, options.steps)
    print(told)
    if options.write:
        replace_between(options.write, BEGIN, END, told)


def measured(options: argparse.Namespace, seed: int) -> Measured:
    plain, rounded = (losses(config_of(options, seed, kept)) for kept in (BasePrecision.BF16, BasePrecision.FP8))
    return plain[0], plain[1], rounded[1]


def config_of(options: argparse.Namespace, seed: int, kept: BasePrecision) -> FinetuneConfig:
    config = FinetuneConfig(
        project_root=options.out.absolute(),
        vla_path="tabletop_base",
        dataset_name="tabletop_new",
        batch_size=16,
        max_steps=options.steps,
        learning_rate=2e-3,
        lora_rank=16,
        image_aug=False,
        seed=seed,
        device=Device.CPU,
        precision=Precision.FP32,
        base_precision=kept,
    )
    return placed(config, options.out.absolute())


def losses(config: FinetuneConfig) -> tuple[float, float]:
    """On held-out batches, before and after training."""
    base = base_model_folder(config, os.environ)
    assert base is not None
    codec = Codec.from_folder(base)
    dataset = open_training_set(config, is_first=True, wait_for_all=lambda: None)
    batches = Batches(
        dataset,
        codec.prompts,
        codec.actions,
        pad_token_id=codec.prompts.pad_token_id,
        batch_size=config.batch_size,
        seed=config.seed,
    )
    learner = learner_of(load_base(base), config, None, Ranks(), CPU)
    before = held_out(learner, batches, codec, config)
    stream = (model_inputs(learner, one, codec, config) for one in batches.stream(0))
    for step in range(config.max_steps):
        train_step(learner, stream, codec, config, step)
    return before, held_out(learner, batches, codec, config)


@torch.no_grad()
def held_out(learner: Learner, batches: Batches, codec: Codec, config: FinetuneConfig) -> float:
    """The mean loss on the batches that would come after training."""
    found = []
    for number in range(HELD_OUT):
        batch = batches.at((config.max_steps + number) * config.batch_size)
        found.append(learner.vla(**model_inputs(learner, batch, codec, replace(config))).loss().item())
    return statistics.fmean(found)


def report(pairs: list[Measured], steps: int) -> str:
    before, plain, rounded = (statistics.fmean(column) for column in zip(*pairs, strict=True))
    differences = [fp8 - exact for _, exact, fp8 in pairs]
    margin = STUDENT[len(pairs)] * statistics.stdev(differences) / len(pairs) ** 0.5
    return (
        f"{len(pairs)} seeds, {steps} steps of 16: the loss on samples not trained on goes from {before:.3f} to "
        f"{plain:.4f} with the base as it is, to {rounded:.4f} with its decoder in fp8. Difference "
        f"{statistics.fmean(differences):+.4f}, 95 % interval {statistics.fmean(differences) - margin:+.4f} to "
        f"{statistics.fmean(differences) + margin:+.4f}."
    )


if __name__ == "__main__":
    main()
