"""The settings of simulators, of what the policy sees, and of what is kept of evaluations. Loads no torch."""

from dataclasses import dataclass
from enum import StrEnum

from vlatrain.configuration.checks import at_least, needs, one_of, ordered
from vlatrain.configuration.option import option


class Videos(StrEnum):
    """Which episodes of an evaluation are kept as videos."""

    NONE = "none"
    FIRST = "first"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Simulators: LIBERO runs in processes of its own, in a Python of its own."""

    sim_python: str | None = option(
        None, "Python with LIBERO; default: VLAD_SIM_PYTHON, .venv-libero, the trainer's own"
    )
    sim_workers: int | None = option(None, "simulators side by side a rank; default: eval_batch_size, or the cores")
    eval_on: str | None = option(
        None, "evaluate checkpoints beside training: a GPU's number, cpu, or queue for a free one; none: the live model"
    )
    eval_videos: Videos = option(Videos.FIRST, "keep videos: of the first failure and success of each task, all, none")

    def check_simulation(self) -> None:
        at_least(self, 1, "sim_workers")
        one_of(self, Videos, "eval_videos")
        is_known = self.eval_on is None or self.eval_on in ("cpu", "queue") or self.eval_on.isdigit()
        needs(self, "eval_on", is_known, "take a GPU's number, cpu, queue, or null for the live model")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Inputs: what a policy sees besides one picture and one sentence, how its targets are put, and how many."""

    use_wrist_image: bool = option(False, "also the wrist camera's picture; OpenVLA-7B was not made for it")
    use_proprio: bool = option(False, "also the hand's pose and the fingers; OpenVLA-7B was not made for it")
    proprio_loss_weight: float = option(
        0.0, "in training also foretell the hand's pose and the fingers from the picture; weight of that loss, 0: off"
    )
    soft_target_bins: float = option(0.0, "spread each action over its neighbour bins, sd in bins; 0: one bin")
    action_chunk: int = option(1, "actions that one answer foretells; OpenVLA-7B was made for 1")
    executed_actions: int = option(1, "of a chunk, executed in evaluations before the policy is asked anew")
    chunk_ensembling: float | None = option(
        None, "ask at each step and average all chunks that foretold it, older ones by exp(-value x age); none: do not"
    )

    def check_inputs(self) -> None:
        at_least(self, 0, "soft_target_bins", "chunk_ensembling", "proprio_loss_weight")
        is_asked = not (self.use_proprio and self.foretells_proprio)
        told = "use_proprio true gives the model the answer; set use_proprio false, or proprio_loss_weight 0"
        needs(self, "proprio_loss_weight", is_asked, told)
        at_least(self, 1, "action_chunk", "executed_actions")
        ordered(self, "executed_actions", "action_chunk")
        is_one = self.chunk_ensembling is None or self.executed_actions == 1
        needs(self, "chunk_ensembling", is_one, "it asks the policy at each step; set executed_actions 1")

    @property
    def foretells_proprio(self) -> bool:
        """Whether training also asks the model for the hand's state."""
        return self.proprio_loss_weight > 0

    @property
    def answered_actions(self) -> int:
        """Actions that the policy is asked for at a time in evaluations."""
        return self.executed_actions if self.chunk_ensembling is None else self.action_chunk
