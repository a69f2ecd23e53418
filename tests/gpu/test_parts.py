"""A base model in parts over two GPUs, and in 4 bits on one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from gpu_models import INSTRUCTIONS, needs_gpus, random_7b
from training_runs import Run, Workshop, adapter, is_same, trainer_state
from vlad.records.progress import Step
from vlatrain.model.checkpoint_files import save_base
from vlatrain.model.config import DINOV2_L, SIGLIP_SO400M, OpenVLAConfig, TextConfig
from vlatrain.model.word_tokenizer import build_word_tokenizer, padding_id

SETTINGS: dict[str, Any] = {
    "device": "cuda",
    "max_steps": 6,
    "save_steps": 3,
    "keep_checkpoints": 9,
    "lora_rank": 4,
    "compile": "off",  # as where models are in parts: nothing else is compared
}
SHARDED: dict[str, Any] = {**SETTINGS, "sharding": "full", "activation_checkpointing": "full"}


def trained(run: Run, *words: str, ranks: int = 2) -> Run:
    assert run.train(*words, ranks=ranks) == 0, run.jobs[-1].output
    return run


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Full width, few layers: 3.3 GB in bf16, mostly decoder."""
    folder = tmp_path_factory.mktemp("wide")
    pad = padding_id(build_word_tokenizer(INSTRUCTIONS))
    text = TextConfig(num_hidden_layers=6, vocab_size=pad + 64, pad_token_id=pad)
    save_base(random_7b(OpenVLAConfig(featurizer=DINOV2_L, fused_featurizer=SIGLIP_SO400M, text=text)), folder)
    build_word_tokenizer(INSTRUCTIONS).save(str(folder / "tokenizer.json"))
    torch.cuda.empty_cache()
    return folder


@needs_gpus(2)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_in_parts_it_learns_what_whole_models_learn(workshop: Workshop, precision: str) -> None:
    sharded = trained(workshop.run("sharded", **SHARDED, precision=precision))
    whole = trained(workshop.run("whole", **SETTINGS, precision=precision))
    tolerance = 1e-4 if precision == "fp32" else 0.02
    assert losses(sharded) == pytest.approx(losses(whole), rel=tolerance)


@needs_gpus(2)
def test_in_parts_a_resume_is_exact_and_both_ranks_evaluate_together(workshop: Workshop) -> None:
    exact = {**SHARDED, "deterministic": True, "lora_dropout": 0.2}
    evaluation = {"enable_periodic_eval": True, "eval_every_steps": 6, "eval_batch_size": 3}
    whole = trained(workshop.run("whole", **exact, **evaluation))
    parts = trained(workshop.run("parts", **exact, **evaluation), "--max_steps", "3")
    trained(parts, *parts.resume())
    assert is_same(adapter(parts.latest), adapter(whole.latest))
    assert is_same(trainer_state(parts.latest), trainer_state(whole.latest))
    assert [found.episodes for found in whole.evaluations] == [10]


@needs_gpus(2)
def test_in_parts_each_gpu_holds_half_and_two_blocks_at_work(wide: Path, project: Path, tmp_path: Path) -> None:
    workshop = Workshop(wide, project / "datasets", tmp_path)
    settings = {**SETTINGS, "max_steps": 2, "save_steps": 2, "batch_size": 1, "activation_checkpointing": "full"}
    whole, sharded = (peak(trained(workshop.run(name, **settings, sharding=name))) for name in ("none", "full"))
    decoder = 6 * (4 * 4096**2 + 3 * 4096 * 11008) * 2
    assert sharded < whole - decoder * (1 / 2 - 2 / 6)


def test_in_4_bits_it_learns_in_a_third_of_the_memory(wide: Path, project: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    workshop = Workshop(wide, project / "datasets", tmp_path)
    settings = {**SETTINGS, "max_steps": 40, "save_steps": 40, "batch_size": 6, "learning_rate": 1e-3}
    settings["fused_lora"] = "off"  # which a base in 4 bits has not either
    plain, packed = (
        trained(workshop.run(name, **settings, use_quantization=name == "packed"), ranks=1)
        for name in ("plain", "packed")
    )
    saved = 6 * (4 * 4096**2 + 3 * 4096 * 11008) * 1.4
    assert peak(packed) < peak(plain) - saved
    first, last = losses(packed)[0], losses(packed)[-1]
    assert last < first - 0.5 * (losses(plain)[0] - losses(plain)[-1])


def losses(run: Run) -> list[float]:
    return [loss for _, loss, _, _ in run.steps if loss is not None]


def peak(run: Run) -> int:
    return max(line.memory_bytes or 0 for line in run.told(Step))
