"""Makes the tiny base model that ships with the package: an OpenVLA taught from nothing on the suite tabletop_base.

    python benchmarks/make_tabletop_base.py --out first --seed 7 --steps 7000 --batch 1024 --episodes 30000
    python benchmarks/make_tabletop_base.py --start first --out trainer/vlatrain/assets/tabletop_base --seed 8

Scripted demonstrations, behaviour cloning of the seven action tokens, all weights trained. While learning, the model
must also point: from the hidden states of the words "block" and "bowl" a throw-away head says where the named ones lie,
which teaches it early to look for what is named. The two runs took seven minutes on one H200. (The first one of the
shipped weights still saw demonstrations without lures, and 46 % success; the second one's 9000 steps brought 99.6 %.)
The seed decides data, initial weights and order; sums differ between devices: a repetition agrees in kind, not in bits.
"""

import argparse
import math
import multiprocessing
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from vlatrain.data.actions import normalise as normalise_actions
from vlatrain.data.actions import to_environment, transform_for, unnormalise
from vlatrain.data.statistics import DatasetStatistics, dataset_statistics, save_statistics
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.checkpoint_files import load_base, save_base
from vlatrain.model.config import OpenVLAConfig, TextConfig, TowerConfig
from vlatrain.model.images import normalise as normalise_images
from vlatrain.model.initialise import initialise
from vlatrain.model.openvla import IGNORED, ActionLogits, OpenVLA
from vlatrain.model.prompt import PROMPT, PromptTokenizer
from vlatrain.model.word_tokenizer import build_word_tokenizer
from vlatrain.sim.tabletop import make_env, suite_tasks
from vlatrain.sim.tabletop_camera import IMAGE_SIZE, render
from vlatrain.sim.tabletop_expert import demonstrated_steps
from vlatrain.sim.tabletop_scene import TABLE

SUITE = "tabletop_base"
SPARE_WORDS = "pick up and place it on move to left right small big plate box cup ball orange pink white black"
SPARE_COLOURS = "crimson jade azure amber violet"
EPISODES_PER_CHUNK = 200
ROWS_TOGETHER = 64  # padding rows behind the actions, as published
CELLS = 24  # columns and rows among which the pointing head chooses
POINTING_LAYER = 1  # the decoder layer whose output points
POINTING_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Frames:
    """All frames: seen, asked, done (standard units), and the cells where the named block and bowl lie."""

    images: npt.NDArray[np.uint8]
    instructions: list[str]
    actions: npt.NDArray[np.float32]
    cells: npt.NDArray[np.int64]
    episodes: int


def main() -> None:
    options = _options()
    torch.manual_seed(options.seed)
    torch.set_float32_matmul_precision("high")
    options.out.mkdir(parents=True, exist_ok=True)
    frames = generate(options.episodes, options.seed, options.processes)
    statistics = dataset_statistics(frames.actions, frames.episodes)
    save_statistics(options.out, {SUITE: statistics})
    tokenizer = save_tokenizer(options.out)
    model = starting_model(options, tokenizer)
    print(f"{len(frames.images):,} frames, {sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    train(model, frames, statistics, tokenizer, options)
    save_base(model.half(), options.out)
    report(options.out, statistics, tokenizer, options)


def starting_model(options: argparse.Namespace, tokenizer: PromptTokenizer) -> OpenVLA:
    """A fresh model, or the one to go on with."""
    if options.start is not None:
        return load_base(options.start, options.device, torch.float32).requires_grad_()
    model = OpenVLA(tiny_config(tokenizer))
    initialise(model, options.seed)
    return model.to(options.device)


def report(
    folder: Path, statistics: DatasetStatistics, tokenizer: PromptTokenizer, options: argparse.Namespace
) -> None:
    """Prints how often the model as shipped succeeds, on its own suite and on the one it has never heard of."""
    shipped = load_base(folder, options.device, torch.float32).eval()
    for suite in (SUITE, "tabletop_new"):
        rate = success_rate(shipped, suite, statistics, tokenizer, options.trials)
        print(f"{suite}: {rate:.1f} % of {options.trials} episodes a task", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="folder of a model to go on with, instead of a fresh one")
    parser.add_argument("--episodes", type=int, default=16_000)
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def generate(episodes: int, seed: int, processes: int) -> Frames:
    """Demonstrations in parallel; the result does not depend on the number of processes."""
    chunks = [seed * 100_000 + chunk for chunk in range(math.ceil(episodes / EPISODES_PER_CHUNK))]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        parts = pool.map(_chunk, chunks, chunksize=1)
    return Frames(
        np.concatenate([part.images for part in parts]),
        [instruction for part in parts for instruction in part.instructions],
        np.concatenate([part.actions for part in parts]),
        np.concatenate([part.cells for part in parts]),
        sum(part.episodes for part in parts),
    )


def _chunk(seed: int) -> Frames:
    images, instructions, actions, places = [], [], [], []
    for task, steps in demonstrated_steps(SUITE, EPISODES_PER_CHUNK, seed):
        for scene, action in steps:
            block, bowl = scene.blocks[scene.block(task.block)], scene.bowl(task.bowl)
            images.append(render(scene))
            instructions.append(task.instruction)
            actions.append(action)
            places.append(((block.x, block.y), (bowl.x, bowl.y)))
    cells = np.clip(np.array(places) / TABLE * CELLS, 0, CELLS - 1).astype(np.int64)
    return Frames(np.stack(images), instructions, transform_for(SUITE)(np.stack(actions)), cells, EPISODES_PER_CHUNK)


def save_tokenizer(folder: Path) -> PromptTokenizer:
    """Words of both suites and some to spare; what surrounds the instruction is one token on either side."""
    instructions = [task.instruction for suite in (SUITE, "tabletop_new") for task in suite_tasks(suite)]
    before, after = PROMPT.split(" {instruction}")
    tokenizer = build_word_tokenizer([*instructions, SPARE_WORDS, SPARE_COLOURS], phrases=(before, after))
    tokenizer.save(str(folder / "tokenizer.json"))
    return PromptTokenizer(folder)


def tiny_config(tokenizer: PromptTokenizer) -> OpenVLAConfig:
    """The published architecture, small enough for two CPU cores."""
    tower = partial(TowerConfig, image_size=IMAGE_SIZE, patch_size=8, width=64, depth=3, heads=2, mlp_width=256)
    return OpenVLAConfig(
        featurizer=tower(class_tokens=1, register_tokens=1, layer_scale=True),
        fused_featurizer=tower(attention_pool=True),
        text=TextConfig(
            vocab_size=tokenizer.pad_token_id + ROWS_TOGETHER,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            pad_token_id=tokenizer.pad_token_id,
        ),
        pad_to_multiple_of=ROWS_TOGETHER,
    )


class Pointing(nn.Module):
    """The loss while learning: the model's own, and that of pointing at the named block and bowl."""

    def __init__(self, model: OpenVLA, naming_places: list[int]) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Linear(model.config.text.hidden_size, 2 * CELLS)
        self.places = [place + model.config.n_patches for place in naming_places]
        self.hidden: list[Tensor] = []
        layer = model.language_model.model.layers[POINTING_LAYER]
        layer.register_forward_hook(lambda _module, _inputs, output: self.hidden.append(output))

    def forward(
        self, images: Tensor, ids: Tensor, labels: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor, ActionLogits]:
        """Loss to minimise, its pointing part, and the action logits. `cells` [B, 2, 2]: column and row of both."""
        out = self.model(normalise_images(images), ids, labels)
        pointed = self.head(self.hidden.pop()[:, self.places]).float()
        pointing = F.cross_entropy(pointed.reshape(-1, CELLS), cells.flatten())
        return out.loss() + POINTING_WEIGHT * pointing, pointing, out


def train(
    model: OpenVLA,
    frames: Frames,
    statistics: DatasetStatistics,
    tokenizer: PromptTokenizer,
    options: argparse.Namespace,
) -> None:
    """AdamW, warm-up and cosine; bf16 arithmetic on a GPU."""
    device, on_gpu = options.device, options.device == "cuda"
    words = tokenizer.inference_ids(frames.instructions[0])
    naming = [words.index(tokenizer.inference_ids(noun)[2]) for noun in ("block", "bowl")]  # 2: after the fixed words
    lesson = Pointing(model, naming).to(device)
    step_loss = torch.compile(lesson) if on_gpu else lesson
    rows = [*_token_rows(model, frames, statistics, tokenizer), torch.from_numpy(frames.cells)]
    ids, labels, cells = (tensor.to(device) for tensor in rows)
    images = torch.from_numpy(frames.images).to(device)
    optimizer = _optimizer(lesson, options.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, options.steps))
    order = torch.Generator(device=device).manual_seed(options.seed)
    report = Progress(ActionTokenizer(256, model.config.action_vocab_end))
    step = 0
    while step < options.steps:
        chosen = torch.randint(len(images), (options.batch,), device=device, generator=order)
        pictures = as_if_from_jpeg(images[chosen], order)
        with torch.autocast(device, torch.bfloat16, enabled=on_gpu):
            loss, pointing, out = step_loss(pictures, ids[chosen], labels[chosen], cells[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(lesson.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        step += 1
        if step % 500 == 0 or step in (20, 120):
            report(step, out, pointing)


class Progress:
    """Prints how the lesson goes."""

    def __init__(self, actions: ActionTokenizer) -> None:
        self.actions = actions
        self.started = time.perf_counter()

    def __call__(self, step: int, out: ActionLogits, pointing: Tensor) -> None:
        accuracy, error = out.metrics(self.actions)
        numbers = f"loss {out.loss():.3f} accuracy {accuracy:.3f} l1 {error:.4f} pointing {pointing:.3f}"
        print(f"step {step} {numbers} {time.perf_counter() - self.started:.0f} s", flush=True)


def as_if_from_jpeg(images: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures [B, H, W, 3] with colour blurred and numbers shaken, as JPEG does to stored ones."""
    pixels = images.permute(0, 3, 1, 2).float()
    grey = (pixels * pixels.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    colour = F.interpolate(F.avg_pool2d(pixels - grey, 2), scale_factor=2.0, mode="bilinear")
    shaken = grey + colour + 2 * torch.randn(pixels.shape, device=pixels.device, generator=generator)
    is_stored = torch.rand((len(images), 1, 1, 1), device=pixels.device, generator=generator) < 0.5
    return torch.where(is_stored, shaken.clamp(0, 255), pixels).round().to(torch.uint8).permute(0, 2, 3, 1)


def _token_rows(
    model: OpenVLA, frames: Frames, statistics: DatasetStatistics, tokenizer: PromptTokenizer
) -> tuple[Tensor, Tensor]:
    """Input ids and labels of every frame; the suite's instructions all have the same length."""
    actions = ActionTokenizer(256, model.config.action_vocab_end)
    tokens = actions.encode(normalise_actions(frames.actions, statistics["action"]))
    texts = sorted(set(frames.instructions))
    which = {text: index for index, text in enumerate(texts)}
    prompts = torch.tensor([tokenizer.inference_ids(text) for text in texts])
    prompt = prompts[[which[text] for text in frames.instructions]]
    ends = torch.full((len(tokens), 1), tokenizer.eos_token_id)
    answer = torch.cat((torch.from_numpy(tokens), ends), dim=1)
    return torch.cat((prompt, answer), dim=1), torch.cat((torch.full_like(prompt, IGNORED), answer), dim=1)


def _optimizer(lesson: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """Weight decay on matrices only: words that no demonstration uses must keep their initial places."""
    decayed = [p for name, p in lesson.named_parameters() if p.dim() > 1 and "embed" not in name]
    others = [p for name, p in lesson.named_parameters() if p.dim() <= 1 or "embed" in name]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


def _factor(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 300) * 0.5 * (1 + math.cos(math.pi * step / steps))


def success_rate(
    model: OpenVLA, suite: str, statistics: DatasetStatistics, tokenizer: PromptTokenizer, trials: int
) -> float:
    """Percent of the suite's evaluation episodes in which greedy decoding reaches the goal."""
    device = next(model.parameters()).device
    actions = ActionTokenizer(256, model.config.action_vocab_end)
    envs = [make_env(suite, index) for index in range(len(suite_tasks(suite))) for _ in range(trials)]
    pictures = {i: env.reset(options={"init_state": i % trials})[0] for i, env in enumerate(envs)}
    prompts = torch.tensor([tokenizer.inference_ids(env.instruction) for env in envs], device=device)
    successes = 0
    while pictures:
        rows = list(pictures)
        images = torch.from_numpy(np.stack([pictures[i] for i in rows])).to(device)
        lengths = torch.full((len(rows),), prompts.shape[1], device=device)
        tokens = model.predict(normalise_images(images), prompts[rows], lengths)
        chosen = to_environment(unnormalise(actions.decode(tokens.cpu().numpy()), statistics["action"]))
        for i, action in zip(rows, chosen, strict=True):
            pictures[i], _, success, truncated, _ = envs[i].step(action.astype(np.float32))
            successes += success
            if success or truncated:
                del pictures[i]
    return 100 * successes / len(envs)


if __name__ == "__main__":
    main()
