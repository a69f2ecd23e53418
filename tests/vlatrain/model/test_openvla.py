"""The model: its published shape, its numerics against independent implementations, and its greedy decoding."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.openvla import IGNORED, ActionLogits, OpenVLA, OpenVLAConfig

LENGTHS = [9, 5, 7]


def pixels(model: OpenVLA, batch: int) -> Tensor:
    size = model.config.image_size
    return torch.randn(batch, 6, size, size, generator=torch.Generator().manual_seed(3))


def prompts(model: OpenVLA, lengths: list[int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [torch.randint(3, model.config.action_vocab_end, (length,), generator=generator) for length in lengths]


def padded(model: OpenVLA, rows: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=model.config.pad_token_id)


@torch.no_grad()
def greedy_without_cache(model: OpenVLA, picture: Tensor, prompt: Tensor) -> list[int]:
    """The plain definition: read everything again for every token."""
    ids = prompt
    for _ in range(7):
        hidden = model.language_model.model(model.embed(picture[None], ids[None]))
        ids = torch.cat([ids, model.language_model.logits(hidden[0, -1:]).argmax(-1)])
    return ids[-7:].tolist()


def training_batch(model: OpenVLA) -> tuple[Tensor, Tensor]:
    """Prompts of unequal length, each followed by 7 actions and the end token; padded ids and labels."""
    actions = torch.arange(20, 20 + 7)
    rows = [torch.cat([prompt, actions + row, torch.tensor([2])]) for row, prompt in enumerate(prompts(model, LENGTHS))]
    labels = [torch.cat([row[:-8].clone().fill_(IGNORED), row[-8:]]) for row in rows]
    return padded(model, rows), torch.nn.utils.rnn.pad_sequence(labels, batch_first=True, padding_value=IGNORED)


@pytest.fixture(scope="module")
def published() -> OpenVLA:
    with torch.device("meta"):
        return OpenVLA(OpenVLAConfig())


def test_the_published_size_is_met_key_for_key(published: OpenVLA) -> None:
    state = published.state_dict()
    assert len(state) == 982
    assert sum(tensor.numel() for tensor in state.values()) == 7_541_237_184


@pytest.mark.parametrize(
    ("prefix", "tensors", "parameters"),
    [
        ("vision_backbone.featurizer.", 343, 303_230_976),
        ("vision_backbone.fused_featurizer.", 342, 427_680_704),
        ("projector.", 6, 71_385_600),
        ("language_model.", 291, 6_738_939_904),
    ],
)
def test_every_part_has_its_published_size(published: OpenVLA, prefix: str, tensors: int, parameters: int) -> None:
    part = [tensor for name, tensor in published.state_dict().items() if name.startswith(prefix)]
    assert (len(part), sum(tensor.numel() for tensor in part)) == (tensors, parameters)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("vision_backbone.featurizer.cls_token", (1, 1, 1024)),
        ("vision_backbone.featurizer.reg_token", (1, 4, 1024)),
        ("vision_backbone.featurizer.pos_embed", (1, 256, 1024)),
        ("vision_backbone.featurizer.patch_embed.proj.weight", (1024, 3, 14, 14)),
        ("vision_backbone.featurizer.blocks.23.ls2.scale_factor", (1024,)),
        ("vision_backbone.featurizer.blocks.23.attn.qkv.bias", (3072,)),
        ("vision_backbone.featurizer.norm.bias", (1024,)),
        ("vision_backbone.fused_featurizer.blocks.26.mlp.fc1.weight", (4304, 1152)),
        ("vision_backbone.fused_featurizer.attn_pool.latent", (1, 1, 1152)),
        ("vision_backbone.fused_featurizer.attn_pool.kv.weight", (2304, 1152)),
        ("vision_backbone.fused_featurizer.attn_pool.mlp.fc2.bias", (1152,)),
        ("projector.fc2.weight", (4096, 8704)),
        ("language_model.model.embed_tokens.weight", (32064, 4096)),
        ("language_model.model.layers.31.mlp.down_proj.weight", (4096, 11008)),
        ("language_model.model.layers.31.post_attention_layernorm.weight", (4096,)),
        ("language_model.model.norm.weight", (4096,)),
        ("language_model.lm_head.weight", (32064, 4096)),
    ],
)
def test_a_published_key_has_its_published_shape(published: OpenVLA, name: str, shape: tuple[int, ...]) -> None:
    assert tuple(published.state_dict()[name].shape) == shape


def test_head_and_embedding_are_not_tied(published: OpenVLA) -> None:
    assert published.language_model.lm_head.weight is not published.language_model.model.embed_tokens.weight


def test_loss_and_gradients_at_the_action_places_are_those_of_the_whole_sequence(tiny_model: OpenVLA) -> None:
    ids, labels = training_batch(tiny_model)
    picture = pixels(tiny_model, len(ids))
    out = tiny_model(picture, ids, labels)
    everything = tiny_model.language_model.logits(tiny_model.language_model.model(tiny_model.embed(picture, ids)))
    shifted = torch.nn.functional.pad(labels, (tiny_model.config.n_patches, 0), value=IGNORED)
    whole_loss = torch.nn.functional.cross_entropy(everything[:, :-1].flatten(0, 1), shifted[:, 1:].flatten())
    torch.testing.assert_close(out.loss(), whole_loss)
    assert out.targets.tolist() == [row[row != IGNORED].tolist() for row in labels]
    learning = [parameter for _, parameter in tiny_model.named_parameters()]
    ours, whole = (torch.autograd.grad(loss, learning, allow_unused=True) for loss in (out.loss(), whole_loss))
    for one, other in zip(ours, whole, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_loss_and_gradients_are_the_same_whether_or_not_the_end_token_is_read(tiny_model: OpenVLA) -> None:
    """With one place of padding behind it the end token of the longest row is read, and without it is not."""
    ids, labels = training_batch(tiny_model)
    picture = pixels(tiny_model, len(ids))
    longer = torch.nn.functional.pad(ids, (0, 1)), torch.nn.functional.pad(labels, (0, 1), value=IGNORED)
    learning = [parameter for parameter in tiny_model.parameters() if parameter.requires_grad]
    places, found = [], []
    decoder = tiny_model.language_model.model
    hook = decoder.register_forward_pre_hook(lambda _, inputs: places.append(inputs[0].shape[1]))
    for one in ((ids, labels), longer):
        loss = tiny_model(picture, *one).loss()
        gradients = torch.autograd.grad(loss, learning, allow_unused=True)
        found.append([loss, *(gradient for gradient in gradients if gradient is not None)])
    hook.remove()
    assert places == [tiny_model.config.n_patches + ids.shape[1] - 1, tiny_model.config.n_patches + ids.shape[1]]
    for without, read in zip(*found, strict=True):
        torch.testing.assert_close(without, read, rtol=1e-4, atol=1e-6)


def test_padding_changes_nothing(tiny_model: OpenVLA) -> None:
    ids, labels = training_batch(tiny_model)
    picture = pixels(tiny_model, len(ids))
    together = tiny_model(picture, ids, labels).logits
    for row, length in enumerate(LENGTHS):
        one = slice(row, row + 1)
        alone = tiny_model(picture[one], ids[one, : length + 8], labels[one, : length + 8]).logits
        torch.testing.assert_close(together[one], alone, rtol=1e-4, atol=1e-5)


def test_a_batch_decodes_as_each_row_alone_without_a_cache(tiny_model: OpenVLA) -> None:
    rows, picture = prompts(tiny_model, LENGTHS), pixels(tiny_model, len(LENGTHS))
    answers = tiny_model.predict(picture, padded(tiny_model, rows), torch.tensor(LENGTHS)).tolist()
    assert answers == [greedy_without_cache(tiny_model, *pair) for pair in zip(picture, rows, strict=True)]
    assert len({tuple(answer) for answer in answers}) == len(LENGTHS)
    assert all(len(set(answer)) > 1 for answer in answers)


def test_rows_of_a_batch_do_not_see_each_other(tiny_model: OpenVLA) -> None:
    rows, picture = prompts(tiny_model, LENGTHS), pixels(tiny_model, len(LENGTHS))
    together = tiny_model.predict(picture, padded(tiny_model, rows), torch.tensor(LENGTHS))
    alone = [
        tiny_model.predict(picture[row : row + 1], prompt[None], torch.tensor([len(prompt)]))
        for row, prompt in enumerate(rows)
    ]
    assert torch.equal(together, torch.cat(alone))


def test_the_picture_decides_the_answer(tiny_model: OpenVLA) -> None:
    prompt = prompts(tiny_model, [6])[0].expand(8, -1)
    answers = tiny_model.predict(pixels(tiny_model, 8), prompt, torch.full((8,), 6))
    assert len({tuple(answer) for answer in answers.tolist()}) > 1


def test_the_unused_parts_of_the_towers_get_no_gradient_and_all_else_does(tiny_model: OpenVLA) -> None:
    ids, labels = training_batch(tiny_model)
    tiny_model(pixels(tiny_model, len(ids)), ids, labels).loss().backward()
    silent = {name for name, parameter in tiny_model.named_parameters() if parameter.grad is None}
    towers = "vision_backbone.featurizer", "vision_backbone.fused_featurizer"
    dead = (f"{towers[0]}.blocks.2.", f"{towers[1]}.blocks.3.", *(f"{tower}.norm." for tower in towers))
    assert silent == {name for name in tiny_model.state_dict() if name.startswith((*dead, f"{towers[1]}.attn_pool."))}


def test_bf16_stays_close_to_fp32(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    exact, rounded = make_tiny_model(1), make_tiny_model(1).to(torch.bfloat16)
    ids, labels = training_batch(exact)
    picture = pixels(exact, len(ids))
    out = rounded(picture.to(torch.bfloat16), ids, labels)
    assert out.logits.dtype == torch.bfloat16
    assert out.loss().dtype == torch.float32
    assert out.loss().item() == pytest.approx(exact(picture, ids, labels).loss().item(), rel=0.05)


@pytest.mark.parametrize("weights", [torch.float32, torch.bfloat16])
def test_autocast_takes_every_path(weights: torch.dtype, tiny_model: OpenVLA) -> None:
    ids, labels = training_batch(tiny_model)
    picture = pixels(tiny_model, len(ids))
    expected = tiny_model(picture, ids, labels).loss().item()
    tiny_model.to(weights)
    with torch.autocast("cpu", torch.bfloat16):
        loss = tiny_model(picture, ids, labels).loss()
        answers = tiny_model.predict(picture, ids[:, :5], torch.tensor([5, 4, 5]))
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=0.05)
    assert answers.shape == (3, 7)


def test_metrics_leave_the_end_token_out_and_measure_in_action_units() -> None:
    actions = ActionTokenizer(256, 300)
    targets = torch.cat([torch.from_numpy(actions.encode([[-1.0, -1, -1, -1, 1, 1, 1]])), torch.tensor([[2]])], dim=1)
    answered = targets.clone()
    answered[0, 0] = actions.vocab - 2  # one bin off
    answered[0, 7] = 5  # the end token missed
    out = ActionLogits(torch.nn.functional.one_hot(answered, 310).float(), targets)
    accuracy, l1_loss = out.metrics(actions)
    assert accuracy.item() == pytest.approx(6 / 7)
    assert l1_loss.item() == pytest.approx(2 / 255 / 7)


def test_the_same_seed_gives_the_same_weights(make_tiny_model: Callable[[int], OpenVLA]) -> None:
    one, same, other = (make_tiny_model(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["projector.fc1.weight"], other["projector.fc1.weight"])


def test_the_model_loads_neither_peft_nor_transformers() -> None:
    code = (
        "import sys, vlatrain.model.checkpoint_files, vlatrain.model.prompt\n"
        "print(sorted({'peft', 'transformers', 'torchvision', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "['torch']\n"
