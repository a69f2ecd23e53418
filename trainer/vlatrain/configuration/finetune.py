"""FinetuneConfig: every setting of a training run, by topic, with its default and its checks. Loads no torch."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vlatrain.configuration.checks import above, at_least, needs, one_of, ordered, within
from vlatrain.configuration.memory import Memory
from vlatrain.configuration.method import Icsm, Method, Probe, Thermostat
from vlatrain.configuration.option import option
from vlatrain.configuration.simulation import Inputs, Simulation
from vlatrain.configuration.speed import BasePrecision, Speed
from vlatrain.errors import ConfigError
from vlatrain.suites import TASKS_OF_SUITE
from vlatrain.tracking.choice import TrackerName, names


class LrScheduler(StrEnum):
    """How the learning rate moves after the warm-up."""

    NONE = "none"
    COSINE = "cosine"


class Precision(StrEnum):
    """Arithmetic of the base model; auto takes bf16 where the device has it, else fp16 (CUDA) or fp32 (CPU)."""

    AUTO = "auto"
    BF16 = "bf16"
    FP16 = "fp16"
    FP32 = "fp32"


class EarlyStopRule(StrEnum):
    """What an evaluation must beat to count as improvement."""

    MIN_DELTA = "min_delta"
    INTERVAL = "interval"


class Device(StrEnum):
    """Where to train; auto takes CUDA where there is a GPU."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@dataclass(frozen=True, kw_only=True)
class Places:
    """Paths: relative ones stand under project_root."""

    project_root: Path | None = option(None, "folder that places all relative paths; default: the working folder")
    vla_path: str = option(
        "openvla/openvla-7b", "base model: a folder, a hub id, or tabletop_base (ships with this package)"
    )
    server_profile: str | None = option(None, "profile of configs/profiles, or a YAML file; beats the YAML config")
    cache_dir: Path = option(Path("cache"), "caches: hub downloads, indexes")
    data_root_dir: Path = option(Path("datasets"), "folder with the data sets")
    probe_root_dir: Path = option(Path("datasets"), "folder with the probe data sets")
    artifact_dir: Path = option(Path("artifacts"), "offline statistics of the method")
    run_root_dir: Path = option(Path("runs"), "run folders of training (statistics, evaluation logs, merged models)")
    adapter_tmp_dir: Path = option(Path("adapter-tmp"), "checkpoints: one folder a run name")
    tmp_dir: Path = option(Path("tmp"), "scratch files")
    eval_log_dir: Path | None = option(None, "EVAL-*.txt logs; default: eval_logs in run_root_dir")
    dataset_name: str = option("droid_wipe", "data set: a folder in data_root_dir; a,b:0.5 mixes several by weight")

    def check_places(self) -> None:
        needs(self, "vla_path", bool(self.vla_path.strip()), "name a model folder, a hub id or tabletop_base")
        is_name = bool(self.dataset_name) and "/" not in self.dataset_name
        needs(self, "dataset_name", is_name, "it is the name of a folder in data_root_dir, not a path")


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training."""

    batch_size: int = option(16, "samples per process in one forward pass")
    max_steps: int = option(200_000, "optimizer updates of the whole run")
    save_steps: int = option(5000, "steps between checkpoints")
    learning_rate: float = option(5e-4, "peak learning rate")
    min_learning_rate: float = option(1e-5, "where the cosine ends")
    lr_scheduler: LrScheduler = option(LrScheduler.NONE, "constant (none) or cosine")
    lr_warmup_steps: int = option(0, "steps of linear warm-up")
    weight_decay: float = option(0.01, "of AdamW")
    max_grad_norm: float | None = option(None, "clip the gradient's norm; none: no clipping")
    ema_decay: float = option(
        0.0, "evaluate and save a mean of the weights over the steps: so much of it stays a step; 0: off"
    )
    grad_accumulation_steps: int = option(1, "forward passes in one optimizer update")
    image_aug: bool = option(True, "augment images as the published training does")
    shuffle_buffer_size: int = option(5000, "kept for old configs: the order is an exact permutation")
    rlds_frame_parallel_calls: int = option(32, "kept for old configs: threads of the TensorFlow reader")
    rlds_traj_transform_threads: int = option(8, "kept for old configs: threads of the TensorFlow reader")
    rlds_traj_read_threads: int = option(8, "kept for old configs: threads of the TensorFlow reader")
    num_workers: int = option(0, "threads of a rank that load batches ahead; 0: it loads each itself")
    keep_frames_on_device: bool = option(False, "decode all frames once and keep them on the device: for small sets")
    save_latest_checkpoint_only: bool = option(
        True, "of merged models keep the newest (of checkpoints: keep_checkpoints)"
    )
    keep_checkpoints: int = option(3, "newest checkpoints to keep; the best one is kept besides")
    merge_lora_during_training: bool = option(False, "also merge each checkpoint into a model, beside training")
    seed: int = option(7, "of order, initial adapter, augmentation, evaluation")
    deterministic: bool = option(False, "deterministic kernels only: bit-equal resumes on GPUs, slower")
    precision: Precision = option(Precision.AUTO, "arithmetic of the base model")
    device: Device = option(Device.AUTO, "where to train")
    log_every_steps: int = option(1, "steps between reported losses")

    def check_training(self) -> None:
        one_of(self, LrScheduler, "lr_scheduler")
        one_of(self, Precision, "precision")
        one_of(self, Device, "device")
        at_least(self, 1, "batch_size", "max_steps", "save_steps", "grad_accumulation_steps", "log_every_steps")
        at_least(self, 1, "shuffle_buffer_size", "rlds_frame_parallel_calls", "rlds_traj_transform_threads")
        at_least(self, 1, "rlds_traj_read_threads", "keep_checkpoints")
        at_least(self, 0, "lr_warmup_steps", "weight_decay", "min_learning_rate", "num_workers", "seed")
        above(self, 0, "learning_rate", "max_grad_norm")
        needs(self, "ema_decay", 0 <= self.ema_decay < 1, "it must be at least 0 and below 1; 0.999 is usual")
        needs(self, "learning_rate", self.learning_rate < 1, "no fine-tuning works at 1 or more; 2e-4 is usual")
        if self.lr_scheduler is LrScheduler.COSINE:
            ordered(self, "min_learning_rate", "learning_rate")
            ordered(self, "lr_warmup_steps", "max_steps")


@dataclass(frozen=True, kw_only=True)
class PeriodicEvaluation:
    """Evaluation while training."""

    enable_periodic_eval: bool = option(False, "roll the policy out every eval_every_steps")
    eval_every_steps: int = option(1000, "steps between evaluations; a multiple of save_steps")
    eval_task_suite_name: str = option("libero_spatial", "suite of tasks")
    eval_tasks: tuple[int, ...] | None = option(None, "play only these tasks of the suite, counted from 0; none: all")
    eval_num_trials_per_task: int = option(1, "episodes of each task")
    eval_center_crop: bool = option(True, "crop as the published evaluation does; right for image_aug")
    eval_run_id_note: str | None = option(None, "added to the log's name")
    eval_cpu_fallback_on_oom: bool = option(True, "kept for old configs: evaluation uses the live model")
    eval_batch_size: int = option(16, "episodes that the model answers together, a process")
    eval_max_steps: int | None = option(None, "steps of an episode; default: the suite's limit")
    eval_at_start: bool = option(False, "also evaluate before the first step")

    def check_evaluation(self) -> None:
        at_least(self, 1, "eval_every_steps", "eval_num_trials_per_task", "eval_batch_size", "eval_max_steps")
        is_known = not self.enable_periodic_eval or self.eval_task_suite_name in TASKS_OF_SUITE
        needs(self, "eval_task_suite_name", is_known, f"no such suite; there are {', '.join(TASKS_OF_SUITE)}")
        last = TASKS_OF_SUITE.get(self.eval_task_suite_name, 1000) - 1
        is_right = self.eval_tasks is None or (bool(self.eval_tasks) and set(self.eval_tasks) <= set(range(last + 1)))
        needs(self, "eval_tasks", is_right, f"{self.eval_task_suite_name} has the tasks 0 to {last}; null plays all")


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Early stop, on the success rate of the evaluations."""

    early_stopping_enabled: bool = option(False, "stop when the success rate no longer improves")
    early_stopping_patience: int = option(5, "evaluations without improvement before the stop")
    early_stopping_min_delta: float = option(0.1, "what counts as improvement, in percentage points")
    early_stopping_rule: EarlyStopRule = option(
        EarlyStopRule.MIN_DELTA, "improvement beats the best by min_delta, or lies above the interval of the best"
    )

    def check_early_stopping(self) -> None:
        at_least(self, 1, "early_stopping_patience")
        within(self, 0, 100, "early_stopping_min_delta")
        one_of(self, EarlyStopRule, "early_stopping_rule")


@dataclass(frozen=True, kw_only=True)
class Lora:
    """LoRA."""

    use_lora: bool = option(True, "train adapters only")
    lora_rank: int = option(32, "rank r of the adapters")
    lora_alpha: int | None = option(None, "scale is alpha / r; default: the smaller of r and 16")
    lora_dropout: float = option(0.0, "dropout before the adapters")
    use_quantization: bool = option(False, "base model in 4 bits (nf4)")

    def check_lora(self) -> None:
        at_least(self, 1, "lora_rank", "lora_alpha")
        needs(self, "lora_dropout", 0 <= self.lora_dropout < 1, "it must be at least 0 and below 1")
        if self.use_quantization and not self.use_lora:
            raise ConfigError(
                "--use_quantization true with --use_lora false: a 4-bit base trains through LoRA only; set it true",
                "use_quantization",
                "use_lora",
            )


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Tracking."""

    use_wandb: bool = option(True, "log to Weights & Biases where it is installed")
    trackers: str = option("", f"log to these too, with commas between: {', '.join(TrackerName)}")
    wandb_project: str = option("openvla", "project of the run in wandb and trackio")
    wandb_entity: str | None = option(None, "entity of the wandb run; default: your own")
    run_id_note: str | None = option(None, "added to the run name")

    def check_tracking(self) -> None:
        is_name = "/" not in (self.run_id_note or "")
        needs(self, "run_id_note", is_name, "it becomes part of a folder's name; write it without /")
        is_known = set(names(self.trackers)) <= set(TrackerName)
        needs(self, "trackers", is_known, f"there are {', '.join(TrackerName)}, with commas between")


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Resume."""

    resume_adapter_dir: Path | None = option(None, "checkpoint (adapter folder) to go on from, or newest")
    resume_full_model_dir: Path | None = option(None, "merged model to go on from")
    resume_global_step: int = option(0, "step of an adapter that does not say it; 0: as its trainer_state.pt says")

    def check_resume(self) -> None:
        at_least(self, 0, "resume_global_step")
        if self.resume_adapter_dir and self.resume_full_model_dir:
            raise ConfigError(
                f"--resume_adapter_dir {self.resume_adapter_dir} and --resume_full_model_dir "
                f"{self.resume_full_model_dir}: a run goes on from one of them; set the other to null",
                "resume_adapter_dir",
                "resume_full_model_dir",
            )


TOPICS = (
    Places, Training, PeriodicEvaluation, Simulation, EarlyStopping, Inputs, Lora, Speed, Memory, Tracking, Resume,
    Method, Probe, Icsm, Thermostat,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(
    Thermostat, Icsm, Probe, Method, Resume, Tracking, Memory, Speed, Lora, Inputs, EarlyStopping, Simulation,
    PeriodicEvaluation, Training, Places,
):  # fmt: skip
    """A whole configuration: the flat field names of the original script, and a few of our own. Raises ConfigError."""

    def __post_init__(self) -> None:
        self.check_places()
        self.check_training()
        self.check_evaluation()
        self.check_simulation()
        self.check_inputs()
        self.check_early_stopping()
        self.check_lora()
        self.check_speed()
        self.check_memory()
        self.check_tracking()
        self.check_resume()
        self.check_method()
        self.check_probe()
        self.check_icsm()
        self.check_thermostat()
        self.check_evaluation_falls_on_saves()
        self.check_base_precision()

    @property
    def has_nf4_base(self) -> bool:
        """Whether the decoder's weights are kept in 4 bits, by either of the two fields that say so."""
        return self.use_quantization or self.base_precision is BasePrecision.NF4

    @property
    def has_fp8_base(self) -> bool:
        return self.base_precision is BasePrecision.FP8

    def check_base_precision(self) -> None:
        """A base model in fewer bits is frozen, and kept in one way only."""
        is_one = not (self.use_quantization and self.has_fp8_base)
        needs(self, "base_precision", is_one, "use_quantization true asks for 4 bits (nf4); set one of them")
        is_frozen = self.use_lora or self.base_precision is BasePrecision.BF16
        needs(self, "base_precision", is_frozen, "weights in 8 or 4 bits train through LoRA only; set use_lora true")

    def check_evaluation_falls_on_saves(self) -> None:
        """The best checkpoint must exist when its evaluation says that it is the best."""
        every, save = self.eval_every_steps, self.save_steps
        if not self.enable_periodic_eval or every % save == 0:
            return
        lower, upper = every // save * save, (every // save + 1) * save
        choices = f"{lower} or {upper}" if lower else f"{upper}"
        raise ConfigError(
            f"--eval_every_steps {every} is not a multiple of --save_steps {save}: take {choices}",
            "eval_every_steps",
            "save_steps",
        )
