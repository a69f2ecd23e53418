"""Several faults in a row in one run of real torchrun: of our trainer, or of ranks with loader workers of PyTorch."""

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fault_checks
from fault_matrix import WORKERS, Fault, Job
from fault_stories import LADDER, Outcome, Scene, end_of, suffer, variables
from patience import until
from supervised_runs import SUPPORT, Lab, Run
from vlad.records import failpoints
from vlad.records.progress import Plan, Step
from vlad.records.requests import Action
from vlad.records.run import State
from vlad.records.spec import Kind, RestartPolicy

CONFIG = """
vla_path: tabletop_base
dataset_name: tabletop_new
batch_size: 4
num_workers: 2
max_steps: 100000
save_steps: 6
learning_rate: 1e-3
image_aug: false
device: cpu
precision: fp32
use_wandb: false
enable_periodic_eval: true
eval_every_steps: 12
eval_task_suite_name: tabletop_new
eval_num_trials_per_task: 1
eval_max_steps: 8
eval_center_crop: false
early_stopping_enabled: false
log_every_steps: 1
project_root: {project}
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """Faults of one run, in this order. The run is stopped at the end, or by the story of the last fault."""

    job: Job
    faults: tuple[Fault, ...]


def live_through_chain(chain: Chain, folder: Path, seed: int = 0) -> list[Outcome]:
    """An outcome for each fault. What the run as a whole has lost is held against every one of them."""
    lab, outcomes, problems = Lab(folder), [], []
    scenes = [Scene(fault, lab, random.Random(f"{seed} {number} {fault.name}")) for number, fault in _numbered(chain)]
    try:
        run = _start(chain, lab, scenes[0])
        for scene in scenes:
            outcomes.append(_one_more(scene, run))
        if chain.faults[-1].story != "stops":
            run.ask(Action.STOP)
        run.until_ended()
        problems = _losses(chain, run)
    except AssertionError as error:
        problems = [str(error)[-3000:]]
    finally:
        for scene in scenes:
            end_of(scene)
    done = {outcome.fault: outcome for outcome in outcomes}
    return [_with(problems, done.get(fault) or Outcome(fault, None, ("never got there",))) for fault in chain.faults]


def _numbered(chain: Chain) -> list[tuple[int, Fault]]:
    return list(enumerate(chain.faults))


def _with(problems: list[str], outcome: Outcome) -> Outcome:
    return Outcome(outcome.fault, outcome.healed_s, (*outcome.problems, *problems))


def _start(chain: Chain, lab: Lab, scene: Scene) -> Run:
    """All failpoints are there from the start, and act when they are armed."""
    points = sorted({fault.point for fault in chain.faults if fault.holder == "job"})
    scene.prepare()
    for point in points:
        (scene.marks / point).touch()
    wanted = " ".join(f"{point}:hold" for point in points)
    environment = {failpoints.VARIABLE: wanted, failpoints.ONCE_VARIABLE: str(scene.marks), "OMP_NUM_THREADS": "1"}
    restart = RestartPolicy(budget=9, backoff_s=0.05, backoff_cap_s=0.1)
    with variables({}):
        return lab.start(*_argv(chain, lab), kind=Kind.TRAIN, restart=restart, stop=LADDER, environment=environment)


def _argv(chain: Chain, lab: Lab) -> Sequence[str]:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0")
    if chain.job == "trainer":
        config = lab.path / "config.yaml"
        config.write_text(CONFIG.format(project=lab.path / "project"))
        return (*torchrun, "-m", "vlatrain", str(config))
    counting = (str(SUPPORT / "counting_rank.py"), "--gloo", "--torch-loader", "--work", str(lab.path))
    return (*torchrun, *counting, "--steps", "1000000", "--evaluate-steps", "4")


def _one_more(scene: Scene, run: Run) -> Outcome:
    """The run is training when the fault comes, unless it is to come while the run starts again."""
    fault, scene.run = scene.fault, run
    if fault.point == "loading":
        until(lambda: run.record.state is State.RUNNING and not _plans(run), ("the next start", run))
    else:
        until(lambda: _steps_of_newest(run), ("a step of the newest attempt", run))
    if fault.victim == "vlatui":
        scene.open_dashboard()
    if fault.holder == "job":
        (scene.marks / fault.point).unlink()
    if fault.story == "stops":
        run.ask(Action.STOP)
    return Outcome(fault, suffer(scene), ())


def _plans(run: Run) -> list[Plan]:
    return [line for line in run.directory.read_progress()[0] if isinstance(line, Plan) and _is_newest(run, line)]


def _steps_of_newest(run: Run) -> list[Step]:
    return [line for line in run.directory.read_progress()[0] if isinstance(line, Step) and _is_newest(run, line)]


def _is_newest(run: Run, line: Plan | Step) -> bool:
    return line.attempt == len(run.record.attempts)


def _losses(chain: Chain, run: Run) -> list[str]:
    killed = [fault.victim for fault in chain.faults if fault.victim in WORKERS and fault.story != "stops"]
    exits = [(None, 9) if victim == "torchrun" else (1, None) for victim in killed]
    guards = 1 + sum(fault.victim in ("keeper", "supervisor") for fault in chain.faults)
    return [
        *fault_checks.wrong_end(run, State.STOPPED, None),
        *fault_checks.wrong_attempts(run, len(killed)),
        *fault_checks.wrong_guards(run, guards),
        *fault_checks.wrong_exits(run, [*exits, (0, None)]),
        *fault_checks.lost_steps(run),
        *fault_checks.left_behind(run),
    ]


def _fault(job: Job, victim: str, when: str, point: str, **how: str) -> Fault:
    holder = "nobody" if point in ("loading", "asked") else "job"
    return Fault(victim=victim, when=when, point=point, holder=holder, job=job, **how)  # type: ignore[arg-type]


def _chain(job: Job, *faults: tuple[str, str, str]) -> Chain:
    """The last one happens while the run stops."""
    told = [_fault(job, *fault, story="stops" if fault[1] == "stopping" else "counts") for fault in faults]
    return Chain(job, tuple(told))


RENAME, EVALUATION = "before_checkpoint_rename", "in_evaluation"
CHAINS = (
    _chain(
        "trainer",
        ("supervisor", "saving", RENAME),
        ("vlatui", "evaluating", EVALUATION),
        ("rank", "saving", RENAME),
        ("keeper", "at start-up", "loading"),
        ("torchrun", "evaluating", EVALUATION),
        ("supervisor", "evaluating", EVALUATION),
        ("keeper", "stopping", "asked"),
    ),
    _chain(
        "trainer",
        ("keeper", "saving", "after_checkpoint_rename"),
        ("torchrun", "saving", "after_checkpoint_rename"),
        ("supervisor", "at start-up", "loading"),
        ("keeper", "evaluating", EVALUATION),
        ("rank", "evaluating", EVALUATION),
        ("rank", "at start-up", "loading"),
        ("supervisor", "stopping", "asked"),
    ),
    _chain(
        "torchrun",
        ("loader", "evaluating", EVALUATION),
        ("keeper", "at start-up", "loading"),
        ("loader", "saving", RENAME),
        ("supervisor", "during a write", "report.during"),
        ("torchrun", "during a write", "report.during"),
        ("loader", "during a write", "report.during"),
        ("supervisor", "stopping", "asked"),
    ),
)
