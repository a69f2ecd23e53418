"""The probe set: which samples, held out from what, and where the instruction is in them."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.method import StatesAt
from vlatrain.data.training_set import open_training_set
from vlatrain.errors import TrainerError
from vlatrain.method.instructions import probe_prompt, question
from vlatrain.method.probe import ProbeSet, hash_of, open_probe, probe_batch
from vlatrain.method.states import instruction_mask, instruction_states
from vlatrain.model.codec import Codec
from vlatrain.model.openvla import OpenVLA
from vlatrain.model.prompt import PROMPT

TEMPLATE = FinetuneConfig().prompt_template
TASK = "push the button"


@pytest.fixture
def config(make_set: Callable[..., Path], tmp_path: Path) -> FinetuneConfig:
    """Forty episodes of three frames: the last two are held out."""
    root = make_set(*[3] * 40).parent
    return FinetuneConfig(
        data_root_dir=root,
        probe_root_dir=root,
        cache_dir=tmp_path / "cache",
        dataset_name="libero_made",
        probe_dataset_name="libero_made",
    )


@pytest.fixture
def codec(tiny_folder: Path) -> Codec:
    return Codec.from_folder(tiny_folder)


def names(probe: ProbeSet) -> list[str]:
    return [probe[place].name for place in range(len(probe))]


def test_no_sample_of_the_probe_is_trained_on(config: FinetuneConfig) -> None:
    probe, trained = open_probe(config), open_training_set(config)
    frames = {f"libero_made/{frame.episode}/{frame.step}" for frame in map(trained.__getitem__, range(len(trained)))}
    assert (len(probe), len(frames), probe.warning) == (6, 114, None)
    assert not frames & set(names(probe))


def test_the_choice_is_fixed_by_its_seed(config: FinetuneConfig) -> None:
    few = replace(config, probe_samples=4)
    assert names(open_probe(few)) == names(open_probe(few)) == names(open_probe(config))[:4]
    assert names(open_probe(few)) != names(open_probe(replace(few, probe_seed=8)))
    assert names(open_probe(few)) == names(open_probe(replace(few, seed=8)))


def test_a_set_too_small_to_hold_a_part_out_is_taken_whole_with_a_warning(
    make_set: Callable[..., Path], config: FinetuneConfig
) -> None:
    make_set(3, 3, name="libero_small")
    small = replace(config, probe_dataset_name="libero_small")
    assert (len(open_probe(small)), open_probe(small).warning) == (6, None)
    trained_on = open_probe(replace(small, dataset_name="libero_made,libero_small"))
    assert trained_on.warning is not None
    assert "the probe set is the training set" in trained_on.warning


def test_demonstrations_of_the_embedded_simulator_are_made_where_they_are_missing(
    config: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Path, str]] = []
    monkeypatch.setattr("vlatrain.method.probe.ensure_demonstrations", lambda *place: made.append(place))
    open_probe(config)
    open_probe(config, is_first=False)
    assert made == [(config.probe_root_dir, "libero_made")]


def jsonl(folder: Path, *rows: object) -> Path:
    path = folder / "probe.jsonl"
    path.write_text("\n\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_lines_and_pictures_in_their_order(config: FinetuneConfig, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        Image.fromarray(np.full((4, 6, 3), 50 * number, np.uint8)).save(pictures / f"{number}.png")
    path = jsonl(tmp_path, *({"image": f"{number}.png", "instruction": f"Task {number}"} for number in (2, 0, 1)))
    config = replace(config, probe_jsonl=path, probe_image_root=pictures, probe_samples=2)
    probe = open_probe(config)
    assert [(sample.name, sample.instruction) for sample in (probe[0], probe[1])] == [
        ("2.png", "Task 2"),
        ("0.png", "Task 0"),
    ]
    assert (len(probe), probe[0].image.shape, int(probe[0].image.max())) == (2, (4, 6, 3), 100)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], "holds no samples"),
        (["{"], r"probe\.jsonl:1: no "),
        ([{"image": "a.png", "instruction": "x"}, {"image": "a.png"}], r"probe\.jsonl:2: no .*KeyError"),
    ],
)
def test_lines_that_are_no_samples_are_refused(
    config: FinetuneConfig, tmp_path: Path, rows: list[object], told: str
) -> None:
    with pytest.raises(TrainerError, match=told):
        open_probe(replace(config, probe_jsonl=jsonl(tmp_path, *rows)))


def test_a_missing_picture_is_named(config: FinetuneConfig, tmp_path: Path) -> None:
    probe = open_probe(replace(config, probe_jsonl=jsonl(tmp_path, {"image": "a.png", "instruction": "x"})))
    with pytest.raises(TrainerError, match=r"a\.png is no picture"):
        probe[0]


def test_the_prompt_of_a_data_set_s_instruction_is_that_of_training(codec: Codec) -> None:
    """But for the space piece of the Llama vocabulary, which the original probe has not either."""
    prompt = probe_prompt(codec.prompts, TEMPLATE, question(f" {TASK.title()} "))
    assert prompt.ids == codec.prompts.inference_ids(TASK)
    assert TEMPLATE.format(instruction=question(TASK)) == PROMPT.format(instruction=TASK)


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (question(TASK), ["What", "action", "should", "the", "robot", "take", "to", "push", "the", "button", "?"]),
        (TASK, ["push", "the", "button"]),
    ],
)
def test_the_instruction_is_what_stands_between_in_and_out(codec: Codec, instruction: str, expected: list[str]) -> None:
    text = TEMPLATE.format(instruction=instruction)
    ids, spans = codec.prompts.spelt(text)
    assert (len(ids), spans[0]) == (len(spans), (0, 0))
    prompt = probe_prompt(codec.prompts, TEMPLATE, instruction)
    assert [text[slice(*spans[place])] for place in range(prompt.first, prompt.end)] == expected


def test_an_instruction_that_comes_twice_is_marked_where_it_is_meant(codec: Codec) -> None:
    """Told by offsets: a search for the words would stop at the first."""
    prompt = probe_prompt(codec.prompts, "the button In: {instruction}\nOut:", "the button")
    assert (prompt.first, prompt.end) == (5, 7)


def test_an_instruction_without_tokens_is_refused(codec: Codec) -> None:
    with pytest.raises(TrainerError, match="has no tokens"):
        probe_prompt(codec.prompts, "In:{instruction}Out:", "")


def test_a_batch_is_padded_and_marks_each_row_s_instruction(config: FinetuneConfig, codec: Codec) -> None:
    samples = [open_probe(config)[0], open_probe(config)[1]]
    samples[1] = samples[1]._replace(instruction=TASK)
    batch = probe_batch(samples, TEMPLATE, codec, torch.device("cpu"), torch.float32)
    assert batch.pixel_values.shape == (2, 6, 28, 28)
    assert batch.lengths.tolist() == [
        len(probe_prompt(codec.prompts, TEMPLATE, one.instruction).ids) for one in samples
    ]
    assert batch.input_ids.shape == (2, int(batch.lengths.max()))
    mask = instruction_mask(batch, n_patches=4)
    assert mask.shape == (2, batch.input_ids.shape[1] + 4)
    places = [row.nonzero().flatten().tolist() for row in mask]
    assert places[1] == [7, 8, 9]  # BOS, four patches, "In", ":", then the three words
    assert places[0] == list(range(7, int(batch.lengths[0]) + 4 - 2))


def test_the_picture_is_looked_at_once(config: FinetuneConfig, codec: Codec, tiny_model: OpenVLA) -> None:
    entries: list[nn.Module] = []
    tiny_model.vision_backbone.register_forward_hook(lambda module, _args, _out: entries.append(module))
    batch = probe_batch([open_probe(config)[0]], TEMPLATE, codec, torch.device("cpu"), torch.float32)
    instruction_states(tiny_model, batch, (0, 2), StatesAt.OUTPUT)
    assert len(entries) == 1


def test_the_hash_is_the_original_s() -> None:
    assert hash_of(["a", "ü"]) == hashlib.sha256("a\nü\n".encode()).hexdigest()
