"""Fields, defaults and checks of FinetuneConfig."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from vlatrain.configuration.file import read_entries
from vlatrain.configuration.finetune import TOPICS, FinetuneConfig, LrScheduler
from vlatrain.errors import ConfigError

ORIGINAL_DEFAULTS: dict[str, Any] = {
    "vla_path": "openvla/openvla-7b",
    "server_profile": None,
    "dataset_name": "droid_wipe",
    "batch_size": 16,
    "max_steps": 200_000,
    "save_steps": 5000,
    "learning_rate": 5e-4,
    "min_learning_rate": 1e-5,
    "lr_scheduler": "none",
    "lr_warmup_steps": 0,
    "grad_accumulation_steps": 1,
    "image_aug": True,
    "shuffle_buffer_size": 5000,
    "rlds_frame_parallel_calls": 32,
    "rlds_traj_transform_threads": 8,
    "rlds_traj_read_threads": 8,
    "save_latest_checkpoint_only": True,
    "merge_lora_during_training": False,
    "enable_periodic_eval": False,
    "eval_every_steps": 1000,
    "eval_task_suite_name": "libero_spatial",
    "eval_num_trials_per_task": 1,
    "eval_center_crop": True,
    "eval_run_id_note": None,
    "eval_cpu_fallback_on_oom": True,
    "early_stopping_enabled": False,
    "early_stopping_patience": 5,
    "early_stopping_min_delta": 0.1,
    "use_lora": True,
    "lora_rank": 32,
    "lora_dropout": 0.0,
    "use_quantization": False,
    "use_wandb": True,
    "wandb_project": "openvla",
    "run_id_note": None,
    "method_enabled": False,
    "icms_artifact_dir": None,
    "hsw_layer_ids": None,
    "hsw_beta": 1.0,
    "hsw_gamma": 1.0,
    "hsw_eps": 1e-8,
    "prompt_template": "In: {instruction}\nOut:",
    "resume_adapter_dir": None,
    "resume_full_model_dir": None,
    "resume_global_step": 0,
    "probe_dataset_name": "bridge_orig",
    "probe_jsonl": None,
    "probe_image_root": None,
    "probe_batch_size": 16,
    "thermostat_update_interval": 100,
    "thermostat_warmup_steps": 200,
    "thermostat_min_beta": 0.2,
    "thermostat_max_beta": 1.0,
    "thermostat_min_gamma": 0.1,
    "thermostat_max_gamma": 1.0,
    "thermostat_k_beta": 1.0,
    "thermostat_k_gamma": 1.0,
    "thermostat_base_scale": 1.0,
}
WITHOUT_PUBLISHED_DEFAULT = {
    *("cache_dir", "data_root_dir", "probe_root_dir", "artifact_dir", "run_root_dir", "adapter_tmp_dir", "tmp_dir"),
    "wandb_entity",
}
OURS = {
    *("project_root", "eval_log_dir", "weight_decay", "max_grad_norm", "num_workers", "keep_checkpoints", "seed"),
    *(
        "deterministic",
        "precision",
        "device",
        "log_every_steps",
        "eval_batch_size",
        "eval_max_steps",
        "eval_at_start",
        "lora_alpha",
        "trackers",
        "profile_steps",
    ),
    *(
        "activation_checkpointing",
        "sharding",
        "early_stopping_rule",
        "eval_videos",
        "eval_tasks",
        "sim_python",
        "sim_workers",
        "eval_on",
        "keep_frames_on_device",
    ),
    *("ema_decay", "action_chunk", "executed_actions", "chunk_ensembling", "proprio_loss_weight"),
    *("soft_target_bins", "use_proprio", "use_wrist_image", "fused_lora", "compile", "cuda_graph", "base_precision"),
    *("grouped_lora", "joint_gradients", "fp8_kernels", "answer_kernels"),
    *("probe_samples", "probe_seed", "thermostat_mode", "thermostat_estimator", "thermostat_window"),
    *("icsm_rank", "icsm_fragile_dim", "icsm_plastic_dim", "icsm_epsilon", "icsm_sensitivity_samples"),
    *("icsm_layer_ids", "icsm_states", "icsm_batch_size"),
}


def test_defaults_are_those_of_the_original_script() -> None:
    config = FinetuneConfig()
    assert {name: getattr(config, name) for name in ORIGINAL_DEFAULTS} == ORIGINAL_DEFAULTS


def test_every_field_is_the_original_s_or_listed_as_ours() -> None:
    assert {one.name for one in fields(FinetuneConfig)} == {*ORIGINAL_DEFAULTS, *WITHOUT_PUBLISHED_DEFAULT, *OURS}


def test_the_user_s_configuration_has_every_field_of_the_original() -> None:
    user = Path(__file__).parents[1] / "materials" / "user_method.yaml"
    assert set(read_entries(user)) == {*ORIGINAL_DEFAULTS, *WITHOUT_PUBLISHED_DEFAULT}


def test_every_field_has_a_topic_and_a_line_of_help() -> None:
    of_topics = [one for topic in TOPICS for one in fields(topic)]
    assert sorted(one.name for one in of_topics) == sorted(one.name for one in fields(FinetuneConfig))
    assert all(one.metadata["help"] for one in of_topics)


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        FinetuneConfig().batch_size = 3  # type: ignore[misc]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "--batch_size 0: it must be at least 1"),
    ({"max_steps": 0}, "--max_steps 0: it must be at least 1"),
    ({"save_steps": -5}, "--save_steps -5: it must be at least 1"),
    ({"grad_accumulation_steps": 0}, "--grad_accumulation_steps 0"),
    ({"learning_rate": 0.0}, "--learning_rate 0.0: it must be above 0"),
    ({"learning_rate": 2.0}, "--learning_rate 2.0"),
    (
        {"lr_scheduler": LrScheduler.COSINE, "min_learning_rate": 1e-3},
        "--min_learning_rate 0.001 is above --learning_rate",
    ),
    (
        {"lr_scheduler": LrScheduler.COSINE, "lr_warmup_steps": 20, "max_steps": 10},
        "--lr_warmup_steps 20 is above --max_steps 10",
    ),
    ({"lr_scheduler": "cosine"}, "--lr_scheduler cosine: it must be one of none|cosine"),
    ({"max_grad_norm": 0.0}, "--max_grad_norm 0.0: it must be above 0"),
    ({"weight_decay": -0.1}, "--weight_decay -0.1"),
    ({"keep_checkpoints": 0}, "--keep_checkpoints 0"),
    ({"num_workers": -1}, "--num_workers -1"),
    ({"seed": -1}, "--seed -1"),
    ({"log_every_steps": 0}, "--log_every_steps 0"),
    ({"eval_num_trials_per_task": 0}, "--eval_num_trials_per_task 0"),
    ({"eval_max_steps": 0}, "--eval_max_steps 0"),
    ({"eval_tasks": (0, 10)}, "--eval_tasks (0, 10): libero_spatial has the tasks 0 to 9"),
    ({"eval_tasks": ()}, "--eval_tasks ()"),
    ({"early_stopping_patience": 0}, "--early_stopping_patience 0"),
    ({"early_stopping_min_delta": 101.0}, "--early_stopping_min_delta 101.0: it must be from 0 to 100"),
    ({"lora_rank": 0}, "--lora_rank 0"),
    ({"lora_alpha": 0}, "--lora_alpha 0"),
    ({"lora_dropout": 1.0}, "--lora_dropout 1.0: it must be at least 0 and below 1"),
    ({"use_lora": False, "use_quantization": True}, "--use_quantization true with --use_lora false"),
    ({"hsw_layer_ids": ()}, "--hsw_layer_ids ()"),
    ({"hsw_layer_ids": (-1, -1)}, "name each layer once"),
    ({"hsw_eps": 0.0}, "--hsw_eps 0.0: it must be above 0"),
    ({"prompt_template": "Out:"}, "it must contain {instruction}"),
    ({"resume_adapter_dir": Path("a"), "resume_full_model_dir": Path("b")}, "goes on from one of them"),
    ({"resume_global_step": -1}, "--resume_global_step -1"),
    ({"probe_batch_size": 0}, "--probe_batch_size 0"),
    ({"probe_samples": 0}, "--probe_samples 0"),
    ({"icsm_rank": 0}, "--icsm_rank 0"),
    ({"icsm_epsilon": 0.0}, "--icsm_epsilon 0.0: it must be above 0"),
    ({"icsm_layer_ids": (3, 3)}, "--icsm_layer_ids (3, 3): name each layer once"),
    ({"icsm_states": "middle"}, "--icsm_states middle: it must be one of output|input"),
    ({"thermostat_mode": "on"}, "--thermostat_mode on: it must be one of auto|fixed|off"),
    ({"thermostat_estimator": "best"}, "--thermostat_estimator best"),
    ({"thermostat_window": 0}, "--thermostat_window 0"),
    ({"thermostat_min_beta": 2.0}, "--thermostat_min_beta 2.0 is above --thermostat_max_beta 1.0"),
    ({"thermostat_min_gamma": 2.0}, "--thermostat_min_gamma 2.0 is above --thermostat_max_gamma 1.0"),
    ({"thermostat_k_beta": -1.0}, "--thermostat_k_beta -1.0"),
    ({"dataset_name": "/data/libero"}, "--dataset_name /data/libero: it is the name of a folder"),
    ({"vla_path": " "}, "--vla_path"),
    ({"enable_periodic_eval": True, "save_steps": 1000, "eval_task_suite_name": "libero"}, "no such suite; there are"),
    ({"enable_periodic_eval": True, "eval_every_steps": 1500, "save_steps": 1000}, "take 1000 or 2000"),
    ({"enable_periodic_eval": True, "eval_every_steps": 500, "save_steps": 1000}, "take 1000"),
]


@pytest.mark.parametrize(("values", "told"), REFUSED, ids=[told for _, told in REFUSED])
def test_a_value_that_cannot_be_is_refused_by_flag_and_value(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        FinetuneConfig(**values)
    assert told in str(refusal.value)
    assert refusal.value.fields
    assert set(refusal.value.fields) & set(values)


ACCEPTED: list[dict[str, Any]] = [
    {"eval_every_steps": 1500, "save_steps": 1000},
    {"enable_periodic_eval": True, "eval_every_steps": 2000, "save_steps": 1000},
    {"lr_scheduler": LrScheduler.NONE, "min_learning_rate": 1.0},
    {"use_lora": False},
    {"early_stopping_min_delta": 0.0},
    {"hsw_layer_ids": (0, -1)},
    {"eval_task_suite_name": "a_suite_of_mine"},
]


@pytest.mark.parametrize("values", ACCEPTED, ids=str)
def test_what_is_unusual_but_possible_is_accepted(values: dict[str, Any]) -> None:
    config = FinetuneConfig(**values)
    assert {name: getattr(config, name) for name in values} == values
