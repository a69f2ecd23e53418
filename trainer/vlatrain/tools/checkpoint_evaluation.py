"""The tool `evaluate`: a checkpoint on its own, outside any training."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from vlad.records.files import replace_file
from vlad.records.progress import Evaluation, Phase
from vlad.report import Reporter

from vlatrain.adapters import CONFIG_FILE, found_adapter, latest_adapter, read_plain_config
from vlatrain.configuration.arguments import parse_arguments
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import base_model_folder, eval_log_folder
from vlatrain.configuration.resolve import resolve
from vlatrain.data.names import made_for
from vlatrain.data.statistics import DatasetStatistics, load_statistics
from vlatrain.distributed import Board, Ranks
from vlatrain.errors import TrainerError
from vlatrain.evaluate.evaluation import evaluate
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.evaluate.records import as_record, video_folder, write_log
from vlatrain.evaluate.results import EvaluationResult
from vlatrain.evaluate.suites import open_suite
from vlatrain.fast.answers import answers_of
from vlatrain.fast.compiling import compile_blocks
from vlatrain.fast.levers import levers
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec
from vlatrain.model.config import OpenVLAConfig
from vlatrain.model.hub import find_base
from vlatrain.model.lora import load_adapter
from vlatrain.model.openvla import OpenVLA
from vlatrain.ticker import Ticker
from vlatrain.train.checkpoint import NAME
from vlatrain.train.devices import chosen_device
from vlatrain.train.learner import compute_dtype, place_of
from vlatrain.train.reports import Reports

RESULT = "--result="
"""`--result=FILE` also writes the record as JSON."""


def evaluate_words(words: Sequence[str]) -> EvaluationResult:
    """`CHECKPOINT [CONFIG] [--field value]... [--result=FILE]`. Raises TrainerError for what cannot be evaluated."""
    fields = [word for word in words[1:] if not word.startswith(RESULT)]
    results = [Path(word.removeprefix(RESULT)) for word in words[1:] if word.startswith(RESULT)]
    if not words or words[0].startswith("-"):
        raise TrainerError("name a checkpoint first: evaluate CHECKPOINT [CONFIG] [--field value]...")
    checkpoint = latest_adapter(Path(words[0]).absolute())
    config = config_of(checkpoint, fields)
    started, step = time.monotonic(), step_of(checkpoint) or 0
    with Reporter.from_environment() as reporter:
        result = evaluate_checkpoint(config, checkpoint, Reports(reporter, Ranks()))
        log = write_log(eval_log_folder(config), config.eval_run_id_note, step, result)
        took_s = time.monotonic() - started
        record = as_record(result, step=step, checkpoint=str(checkpoint), log=log, duration_s=took_s)
        reporter.evaluation(record)
    for path in results:
        replace_file(path, msgspec.json.encode(record))
    print("\n".join(told(record)))
    return result


def config_of(checkpoint: Path, fields: Sequence[str]) -> FinetuneConfig:
    """As the words say; where they name no base model, the checkpoint does."""
    arguments = parse_arguments(fields)
    overrides = dict(arguments.overrides)
    if arguments.config_file is None and "vla_path" not in overrides and (checkpoint / CONFIG_FILE).is_file():
        named = read_plain_config(checkpoint).get("base_model_name_or_path")
        overrides |= {"vla_path": str(named)} if named else {}
    overrides |= {} if "action_chunk" in overrides else _chunk_of(checkpoint, overrides.get("vla_path"))
    resolved = resolve(arguments.config_file, overrides, os.environ)
    return replace(resolved.config, enable_periodic_eval=False)


def _chunk_of(checkpoint: Path, base: str | None) -> dict[str, str]:
    """What a whole model, or an adapter's base where that is a folder, was made for: other settings depend on it."""
    folders = [checkpoint, *([Path(base)] if base else [])]
    file = next((folder / "config.json" for folder in folders if (folder / "config.json").is_file()), None)
    return {} if file is None else {"action_chunk": str(OpenVLAConfig.from_json_file(file).chunk)}


def step_of(checkpoint: Path) -> int | None:
    """As an adapter or the name of its folder tells."""
    found, named = found_adapter(checkpoint), NAME.fullmatch(checkpoint.name)
    return found.step if found else int(named[1]) if named else None


def evaluate_checkpoint(config: FinetuneConfig, checkpoint: Path, reports: Reports) -> EvaluationResult:
    """Loads an adapter with its base, or a whole model, and rolls it out in this process."""
    reports.phase(Phase.LOADING, step_of(checkpoint))
    device = torch.device(chosen_device(config.device))
    base = base_of(config, checkpoint)
    codec = Codec.from_folder(base)
    config = replace(
        config, use_wrist_image=codec.pictures > 1, use_proprio=codec.state_size > 0, action_chunk=codec.chunk
    )
    suite = open_suite(config, config.eval_task_suite_name, has_gpu=device.type == "cuda")
    policy = loaded_policy(config, checkpoint, base, codec, device)
    ranks, step, trials = Ranks(), step_of(checkpoint) or 0, config.eval_num_trials_per_task

    tell = Ticker(sys.stderr)

    def progress(done: int, total: int) -> None:
        reports.phase(Phase.EVALUATING, step, done, total)
        tell(f"{done}/{total} episodes of {suite.name}")

    with tell, policy.answers.opened() if policy.answers else nullcontext():
        result = evaluate(
            policy,
            suite,
            trials=trials,
            batch_size=config.eval_batch_size,
            ranks=ranks,
            board=Board(ranks, "evaluation"),
            wants_stop=lambda: False,
            progress=progress,
            on_task=lambda task, won: reports.task(step, suite.name, suite.instructions[task], won, trials),
            videos=config.eval_videos,
            video_folder=video_folder(eval_log_folder(config)),
            in_step=config.deterministic,
            ensembling=config.chunk_ensembling,
        )
    assert result is not None, "nobody asked to stop"
    return result


def base_of(config: FinetuneConfig, checkpoint: Path) -> Path:
    """The base model of an adapter, or the whole model itself. Raises TrainerError for a folder that holds neither."""
    if (checkpoint / CONFIG_FILE).is_file():
        return base_model_folder(config, os.environ) or find_base(config.vla_path)
    if not (checkpoint / "config.json").is_file():
        raise TrainerError(f"{checkpoint}: holds neither an adapter ({CONFIG_FILE}) nor a model (config.json)")
    return checkpoint


def loaded_policy(
    config: FinetuneConfig, checkpoint: Path, base: Path, codec: Codec, device: torch.device
) -> LivePolicy:
    """The model of `base`, with its adapter where the checkpoint is one. Raises TrainerError without statistics."""
    dtype = compute_dtype(config.precision, device)
    statistics = statistics_of(checkpoint, config.eval_task_suite_name)
    vla: OpenVLA = load_base(base, device, dtype)
    plain = replace(config, use_lora=True, lora_dropout=0.0)
    used = levers(plain, place_of(device, dtype, Ranks()))
    if base != checkpoint:
        load_adapter(vla, checkpoint, 0.0, is_fused=used.fused_lora).to(device)
    else:
        vla.casts_itself = True
    if used.compile:
        compile_blocks(vla)
    return LivePolicy(
        vla=vla.eval(),
        codec=codec,
        device=device,
        dtype=dtype,
        statistics=statistics["action"],
        is_cropped=config.eval_center_crop,
        state_statistics=statistics["proprio"],
        answers=answers_of(vla, codec.prompts.pad_token_id, used, config.answered_actions),
    )


def statistics_of(checkpoint: Path, suite: str) -> DatasetStatistics:
    """What un-normalises the actions: the only statistics there are, or those made for the suite."""
    known = load_statistics(checkpoint)
    name = made_for(suite, known)
    if name is None:
        raise TrainerError(f"{checkpoint}: dataset_statistics.json has nothing for {suite} ({', '.join(known)})")
    return known[name]


def told(record: Evaluation) -> list[str]:
    """The result in lines, for people."""
    lines = [f"{task.successes:>5}/{task.episodes}  {task.task}" for task in record.tasks]
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    total = (
        f"{record.successes}/{record.episodes} = {record.success_rate:.1f}%, 95% {record.low:.1f} to {record.high:.1f}"
    )
    lines += [f"{record.suite}: {total}" + (f" ({versions})" if versions else "")]
    lines += [f"failed: {record.failure}"] if record.failure else []
    return [*lines, f"log {record.log}"]
