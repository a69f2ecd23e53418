"""Everything one training run needs, built once: ranks, data, model, checkpoints, inbox."""

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
from vlad.policy.early_stop import EarlyStopPolicy
from vlad.report import RUN_ID_VARIABLE, Reporter

from vlatrain.configuration.finetune import EarlyStopRule, FinetuneConfig
from vlatrain.configuration.fitting import check_inputs
from vlatrain.configuration.places import adapter_folder, base_model_folder
from vlatrain.data.actions import STATE_DIM
from vlatrain.data.batches import Batches
from vlatrain.data.names import made_for
from vlatrain.data.resident import ResidentBatches
from vlatrain.data.statistics import DatasetStatistics
from vlatrain.data.training_set import TrainingSet, open_training_set
from vlatrain.distributed import Ranks, joined
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.evaluate.rollout import Policy
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.together import Together
from vlatrain.evaluate.venue import Observation, Suite
from vlatrain.fast.answers import Answers, answers_of
from vlatrain.fast.compiling import uncompiled
from vlatrain.fast.feeding import common_width
from vlatrain.method.drift import Student
from vlatrain.method.live import open_method
from vlatrain.model.codec import Codec
from vlatrain.model.hub import find_base
from vlatrain.model.self_check import vision_self_check
from vlatrain.tracking.trackers import tracked
from vlatrain.train.batching import open_batches
from vlatrain.train.devices import chosen_device, device_of, set_arithmetic
from vlatrain.train.inbox import Inbox
from vlatrain.train.learner import Learner, build_learner
from vlatrain.train.loading import BASE_MODEL, loading_told
from vlatrain.train.merges import Merges
from vlatrain.train.profiling import StepProfile
from vlatrain.train.reports import Reports
from vlatrain.train.restoring import checkpoint_to_resume, restore
from vlatrain.train.rng import seed_all
from vlatrain.train.saving import Checkpoints, DataMark
from vlatrain.train.sharding import Gathers
from vlatrain.train.starting import Starting
from vlatrain.train.state import TrainState
from vlatrain.train.step import rehearse
from vlatrain.train.telling import Telling

COMPANIONS = ("tokenizer.json", "preprocessor_config.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What does not change while the run trains, and the resources that it owns. `start` is where training stands."""

    config: FinetuneConfig
    ranks: Ranks
    reports: Reports
    starting: Starting
    inbox: Inbox
    codec: Codec
    batches: Batches | ResidentBatches
    samples: int
    learner: Learner
    checkpoints: Checkpoints
    policy: Policy
    answers: Answers
    suite: Suite | None
    early_stop: EarlyStopPolicy
    start: TrainState
    profile: StepProfile
    evaluation_numbers: Iterator[int] = field(default_factory=count)
    telling: Telling = field(default_factory=Telling)
    looked_at: list[float] = field(default_factory=lambda: [0.0])

    def is_time_to_look(self, every_s: float) -> bool:
        """Whether something that costs more than a glance is due again."""
        if time.monotonic() < self.looked_at[0] + every_s:
            return False
        self.looked_at[0] = time.monotonic()
        return True

    @property
    def samples_per_step(self) -> int:
        return samples_per_step(self.config, self.ranks)


@contextmanager
def open_session(config: FinetuneConfig) -> Iterator[Session]:
    """Joins the ranks and loads everything. Raises TrainerError for what the user must put right."""
    uses_cuda = chosen_device(config.device) == "cuda"
    set_arithmetic(config, uses_cuda=uses_cuda)
    with joined(uses_cuda=uses_cuda) as ranks, _reporter(ranks) as reporter:
        reports = Reports(reporter, ranks)
        starting = Starting(reports)
        session = _load(config, ranks, starting, Inbox(ranks, reporter), device_of(ranks, uses_cuda=uses_cuda))
        lineage = session.checkpoints.lineage
        with (
            tracked(config, lineage, session.start.step, reports.warn) if ranks.is_first else nullcontext() as trackers
        ):
            reports.trackers = trackers
            yield session


def samples_per_step(config: FinetuneConfig, ranks: Ranks) -> int:
    """Samples of one optimizer update, over all ranks."""
    return config.batch_size * config.grad_accumulation_steps * ranks.world_size


def suite_statistics(config: FinetuneConfig, known: Mapping[str, DatasetStatistics]) -> DatasetStatistics:
    """What un-normalises actions in an evaluation; that a mixture has the suite's part is checked before loading."""
    name = made_for(config.eval_task_suite_name, known)
    return next(iter(known.values())) if name is None else known[name]  # where nothing is evaluated, any will do


def early_stop_policy(config: FinetuneConfig) -> EarlyStopPolicy:
    return EarlyStopPolicy(
        patience=config.early_stopping_patience,
        min_delta=config.early_stopping_min_delta,
        enabled=config.early_stopping_enabled,
        beats_interval=config.early_stopping_rule is EarlyStopRule.INTERVAL,
    )


def _suite(config: FinetuneConfig, ranks: Ranks, device: torch.device) -> Suite | None:
    """Raises TrainerError where what shall be evaluated on cannot be simulated here."""
    if not config.enable_periodic_eval:
        return None
    return open_suite(
        config,
        config.eval_task_suite_name,
        local_rank=ranks.local_rank,
        local_ranks=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        has_gpu=device.type == "cuda",
    )


def _reporter(ranks: Ranks) -> Reporter:
    return Reporter.from_environment() if ranks.is_first else Reporter(None)


def _load(config: FinetuneConfig, ranks: Ranks, starting: Starting, inbox: Inbox, device: torch.device) -> Session:
    """What is quick to check comes before what is slow to load."""
    reports = starting.reports
    starting.begins("data")
    suite = _suite(config, ranks, device)
    base = config.resume_full_model_dir or base_model_folder(config, os.environ) or _downloaded(config, ranks)
    check_inputs(config, base)
    codec = Codec.from_folder(base)
    dataset = open_training_set(config, is_first=ranks.is_first, wait_for_all=ranks.wait_for_all)
    batches = open_batches(config, dataset, codec, ranks, device)
    resumed = checkpoint_to_resume(config)
    starting.begins(BASE_MODEL)
    learner = build_learner(config, base, resumed, ranks, device, loading_told(ranks, reports))
    if config.method_enabled:
        starting.begins("the method")
        student = Student(vla=learner.vla, codec=codec, device=device, dtype=learner.dtype)
        learner = replace(learner, method=open_method(config, student, ranks, reports.warn))
    if learner.graphs is not None:
        learner = replace(learner, text_width=_text_width(dataset, codec, learner))
    checkpoints = _checkpoints(config, dataset, ranks, reports, base)
    answers = _answers(learner, codec, config)
    starting.begins("a first look")
    if ranks.world_size > 1:
        rehearse(learner, batches.at(0), codec, config)
    if ranks.is_first or learner.is_sharded:
        with uncompiled() if learner.levers.compile else nullcontext():
            vision_self_check(learner.vla, torch.tensor(codec.prompts.inference_ids(dataset.instructions[0])))
    return Session(
        config=config,
        ranks=ranks,
        reports=reports,
        starting=starting,
        inbox=inbox,
        codec=codec,
        batches=batches,
        samples=len(dataset),
        learner=learner,
        checkpoints=checkpoints,
        policy=_policy(config, learner, codec, dataset, ranks, answers),
        answers=answers,
        suite=suite,
        early_stop=early_stop_policy(config),
        start=_starting_state(config, resumed, learner, checkpoints),
        profile=StepProfile(config.profile_steps if ranks.is_first else 0, device, reports.profile),
    )


def _text_width(dataset: TrainingSet, codec: Codec, learner: Learner) -> int:
    """What all texts of captured passes are padded to; 0: they differ too much."""
    own = learner.vla.config
    answer = own.action_dim * own.chunk + 1
    return common_width(
        dataset.instructions, lambda text: len(codec.prompts.inference_ids(text)) + answer, own.n_patches
    )


def _answers(learner: Learner, codec: Codec, config: FinetuneConfig) -> Answers:
    return answers_of(learner.vla, codec.prompts.pad_token_id, learner.levers, config.answered_actions)


def _policy(
    config: FinetuneConfig, learner: Learner, codec: Codec, dataset: TrainingSet, ranks: Ranks, answers: Answers
) -> Policy:
    """The model as it is trained; one that is spread over the ranks is asked by all of them together."""
    statistics = suite_statistics(config, dataset.statistics)
    live = LivePolicy(
        vla=learner.vla,
        codec=codec,
        device=learner.device,
        dtype=learner.dtype,
        statistics=statistics["action"],
        is_cropped=config.eval_center_crop,
        state_statistics=statistics["proprio"],
        answers=answers,
    )
    black = np.zeros((codec.image_size, codec.image_size, 3), np.uint8)
    example = Observation(black, black, np.zeros(STATE_DIM))
    if not learner.is_sharded:
        return live
    return Together(live, ranks, ([example], [dataset.instructions[0]]), Gathers(learner.vla).predicted)


def _downloaded(config: FinetuneConfig, ranks: Ranks) -> Path:
    """One rank of a host asks the hub; the others find what it brought."""
    if ranks.local_rank == 0:
        find_base(config.vla_path)
    ranks.wait_for_all()
    return find_base(config.vla_path)


def _checkpoints(
    config: FinetuneConfig, dataset: TrainingSet, ranks: Ranks, reports: Reports, base: Path
) -> Checkpoints:
    companions = {path.name: path.read_bytes() for name in COMPANIONS if (path := base / name).is_file()}
    return Checkpoints(
        wanted_folder=adapter_folder(config),
        keep=config.keep_checkpoints,
        lineage=os.environ.get(RUN_ID_VARIABLE) or secrets.token_hex(8),
        ranks=ranks,
        reports=reports,
        mark=DataMark(dataset=dataset.name, samples=len(dataset), seed=config.seed),
        statistics=dataset.statistics,
        companions={} if config.use_lora else companions,
        merges=_merges(config, base, reports) if ranks.is_first else None,
    )


def _merges(config: FinetuneConfig, base: Path, reports: Reports) -> Merges | None:
    if not config.merge_lora_during_training:
        return None
    return Merges(base, config.run_root_dir, config.save_latest_checkpoint_only, reports.warn)


def _starting_state(
    config: FinetuneConfig, resumed: Path | None, learner: Learner, checkpoints: Checkpoints
) -> TrainState:
    """Where training stands; seeds or restores the generators last, so that nothing of the loading draws from them."""
    ranks = checkpoints.ranks
    if resumed is None:
        step = config.resume_global_step if config.resume_full_model_dir else 0
        seed_all(config.seed, ranks.rank, step)
        return TrainState(step=step, position=step * samples_per_step(config, ranks))
    restored = restore(
        learner, resumed, config, ranks, checkpoints.reports, checkpoints.mark, samples_per_step(config, ranks)
    )
    checkpoints.goes_on_from(resumed, restored.state, restored.lineage)
    return restored.state
