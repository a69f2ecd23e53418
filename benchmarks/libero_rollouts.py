"""How long the episodes of one LIBERO evaluation take on one GPU, with the 7B answering, and where the time goes.

    PYTHONPATH=supervisor:trainer:tui:benchmarks:tests/support python3 benchmarks/libero_rollouts.py --workers 16

Weights are random, so no episode succeeds before its last step: --steps says how long one lasts (110 is about what the
demonstrations of libero_spatial take). A card that both draws and computes does these in turns in any case, and with
--in-turns neither disturbs the other; MUJOCO_GL=osmesa draws on the host's cores instead. Every tenth of the way a line
is printed and the result written anew, so that a run that is cut off has told what it knows. With --suite tabletop_new
and --trial it runs anywhere, with a tiny model.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from speed_answers import adapted_model
from speed_place import DEVICE, DTYPE, IS_TRIAL
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.actions import ActionStatistics
from vlatrain.evaluate.evaluation import Shrinking
from vlatrain.evaluate.policy import LivePolicy
from vlatrain.evaluate.results import Episode, Outcome, plan_episodes
from vlatrain.evaluate.rollout import Policy, roll_out
from vlatrain.evaluate.suites import open_suite
from vlatrain.evaluate.venue import Observation
from vlatrain.fast.answers import ROWS, Answers
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.codec import Codec
from vlatrain.model.images import PUBLISHED
from vlatrain.model.openvla import OpenVLA

PROMPT_TOKENS = 25


class OutOfTime(Exception):
    """The measurement ends before all episodes are played."""


@dataclass
class Clocked:
    """A policy whose time is taken."""

    policy: Policy
    calls: int = 0
    answers: int = 0
    busy_s: float = 0.0

    def __call__(self, observations: Sequence[Observation], instructions: Sequence[str]) -> NDArray[np.float64]:
        started = time.monotonic()
        actions = self.policy(observations, instructions)
        self.busy_s += time.monotonic() - started
        self.calls += 1
        self.answers += len(observations)
        return np.asarray(actions)


@dataclass
class Course:
    """A watcher: tells every tenth of the way, and ends what takes too long."""

    clocked: Clocked
    episodes: int
    out: Path
    until: float
    began: float = field(default_factory=time.monotonic)
    finished: int = 0
    steps: int = 0

    def tick(self) -> None:
        if time.monotonic() > self.until:
            raise OutOfTime

    def follows(self, episode: Episode) -> bool:
        return False

    def seen(self, episode: Episode, observation: Observation, *, is_start: bool) -> None: ...

    def ended(self, episode: Episode, outcome: Outcome) -> None:
        assert outcome.failure is None, outcome.failure
        self.finished += 1
        self.steps += outcome.steps
        if self.finished % max(1, self.episodes // 10) == 0:
            self.tell()

    def tell(self) -> None:
        took, clocked = time.monotonic() - self.began, self.clocked
        found = {
            "episodes": self.finished,
            "of": self.episodes,
            "seconds": took,
            "steps": self.steps,
            "actions_per_s": clocked.answers / took,
            "rows_a_call": clocked.answers / max(1, clocked.calls),
            "ms_a_call": 1000 * clocked.busy_s / max(1, clocked.calls),
            "model_share": clocked.busy_s / took,
        }
        self.out.write_text(json.dumps(found, indent=1) + "\n")
        print(
            f"{self.finished:>4}/{self.episodes} episodes in {took:6.1f} s, {found['actions_per_s']:.1f} actions/s, "
            f"{found['rows_a_call']:.1f} rows a call of {found['ms_a_call']:.1f} ms, the model is busy "
            f"{100 * clocked.busy_s / took:.0f} % of the time",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="libero_spatial")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--rows", type=int, default=16, help="episodes that are answered together at most")
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--steps", type=int, default=110, help="of each episode")
    parser.add_argument("--seconds", type=int, default=420, help="after which it ends, however far it is")
    parser.add_argument("--in-turns", action="store_true", help="the model answers when all simulators have drawn")
    parser.add_argument("--fp8", action="store_true", help="base_precision fp8")
    parser.add_argument("--trial", action="store_true", help="a tiny model on a CPU: tries the script")
    parser.add_argument("--out", type=Path, default=Path("rollouts.json"))
    options = parser.parse_args()
    if IS_TRIAL and not options.trial:
        parser.error("no CUDA device: --trial tries the script with a tiny model")
    measure(options)


def measure(options: argparse.Namespace) -> None:
    config = FinetuneConfig(
        eval_task_suite_name=options.suite,
        eval_max_steps=options.steps,
        eval_batch_size=options.workers,
        sim_workers=options.workers,
    )
    suite = open_suite(config, options.suite, has_gpu=not IS_TRIAL)
    vla = adapted_model(is_fused=True, is_compiled=True, has_fp8=options.fp8)
    answers = Answers(vla, vla.config.pad_token_id, is_captured=not IS_TRIAL, has_kernels=not IS_TRIAL)
    trials = max(1, options.episodes // len(suite.instructions))
    episodes = plan_episodes(len(suite.instructions), trials)
    clocked = Clocked(Shrinking(policy_of(vla, answers), options.rows))
    with answers.opened():
        warmed(clocked.policy, options.rows)
        course = Course(clocked, len(episodes), options.out, time.monotonic() + options.seconds)
        try:
            roll_out(clocked, suite, episodes, options.rows, course, in_turns=options.in_turns)
        except OutOfTime:
            print("out of time")
    course.tell()


def warmed(policy: Policy, most: int) -> None:
    """Every number of rows that is captured by itself, so that the clock sees none of it."""
    started, image = time.monotonic(), np.zeros((256, 256, 3), np.uint8)
    for rows in sorted({min(most, size) for size in ROWS}):
        policy([Observation(image)] * rows, ["lift the cup"] * rows)
    print(f"graphs captured in {time.monotonic() - started:.1f} s", flush=True)


def policy_of(vla: OpenVLA, answers: Answers) -> LivePolicy:
    config = vla.config
    ids = np.random.default_rng(3).integers(3, config.action_vocab_end, PROMPT_TOKENS).tolist()
    prompts: Any = SimpleNamespace(pad_token_id=config.pad_token_id, inference_ids=lambda instruction: ids)
    actions = ActionTokenizer(config.n_action_bins, config.action_vocab_end)
    zero, low, high = [0.0] * 7, [-0.1] * 7, [0.1] * 7
    scale = ActionStatistics(mean=zero, std=high, max=high, min=low, q01=low, q99=high, mask=[True] * 6 + [False])
    return LivePolicy(
        vla=vla,
        codec=Codec(prompts=prompts, actions=actions, constants=PUBLISHED, image_size=config.image_size),
        device=DEVICE,
        dtype=DTYPE,
        statistics=scale,
        is_cropped=True,
        answers=answers,
    )


if __name__ == "__main__":
    main()
