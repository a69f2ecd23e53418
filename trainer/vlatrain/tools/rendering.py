"""The tool `demos --render`: an RLDS data set of pictures made of recorded simulator states."""

import argparse
import json
import shutil
import sys
from dataclasses import asdict

from vlad.records.files import replace_file

from vlatrain.data.hdf5_states import Stated, Tasks, stated_demonstrations
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.data.spool import load_ahead
from vlatrain.errors import TrainerError
from vlatrain.evaluate.libero import IMAGE_SIZE, STEP_LIMITS
from vlatrain.sim.finding import FoundLibero, found_libero
from vlatrain.sim.pool import Pool
from vlatrain.sim.protocol import Layout
from vlatrain.sim.rendering import Rendering, RenderPlan
from vlatrain.ticker import Ticker
from vlatrain.tools.demonstrations import REPORT, new_folder, program_of, tasks_of, workers_of

OF_RECORDING = ("episodes", "shaky", "limit", "hdf5", "states")


def render(arguments: argparse.Namespace) -> None:
    """Episodes gather in a spool beside the data set, which a second call with the same words completes.

    Raises TrainerError for demonstrations that no pictures can be made of, or a simulator that is not there.
    """
    check_words(arguments)
    folder = new_folder(arguments)
    found = found_libero(arguments.sim_python)
    recorded = chosen(arguments, found)
    plan, layout = plan_of(arguments, recorded), layout_of(recorded, wrist=not arguments.no_wrist)
    tell = Ticker(sys.stderr)
    spool = arguments.out / f".{folder.name}.spool"
    rendering = Rendering(plan, found.instructions(plan.suite), recorded, spool, tell)
    try:
        with tell, Pool(program_of(found, layout), min(workers_of(arguments), len(recorded))) as pool:
            rendering.run(pool)
    except KeyboardInterrupt:
        kept = f"{len(rendering.files)} of {len(recorded)} demonstrations are kept"
        raise KeyboardInterrupt(f"{kept}; the same command goes on from there") from None
    print("writing the data set", file=sys.stderr)
    write_rlds(arguments.out, folder.name, load_ahead(rendering.files), arguments.shards)
    versions, tasks = dict(found.versions), rendering.counts()
    report = {"rendered": asdict(plan), "versions": versions, "episodes": len(recorded), "tasks": tasks}
    replace_file(folder / REPORT, json.dumps(report, indent=1).encode())
    shutil.rmtree(spool)
    print(folder)


def check_words(arguments: argparse.Namespace) -> None:
    if arguments.suite not in STEP_LIMITS:
        raise TrainerError(f"--suite {arguments.suite}: recorded states are of {', '.join(STEP_LIMITS)}")
    for name in OF_RECORDING:
        if getattr(arguments, name):
            raise TrainerError(f"--{name} is for recording; --render makes pictures of what is recorded already")


def chosen(arguments: argparse.Namespace, found: FoundLibero) -> list[Stated]:
    """The demonstrations of the wanted tasks."""
    suite, tasks = arguments.suite, tasks_of(arguments, found)
    every = stated_demonstrations(arguments.render, Tasks(suite, found.instructions(suite), found.names[suite]))
    wanted = [one for one in every if one.task in tasks]
    if not wanted:
        raise TrainerError(
            f"--render {arguments.render[0]}: no demonstrations of these tasks in which anything is done"
        )
    return wanted


def plan_of(arguments: argparse.Namespace, recorded: list[Stated]) -> RenderPlan:
    files = {one.path: one.path.stat() for one in recorded}
    return RenderPlan(
        suite=arguments.suite,
        wrist=not arguments.no_wrist,
        size=IMAGE_SIZE,
        jpeg_quality=arguments.jpeg_quality,
        tasks=sorted({one.task for one in recorded}),
        sources=[[str(path.resolve()), stat.st_size, stat.st_mtime_ns] for path, stat in files.items()],
    )


def layout_of(recorded: list[Stated], *, wrist: bool) -> Layout:
    """Room for the longest, and for the scene of most joints."""
    frames, coordinates = (max(getattr(one, name) for one in recorded) for name in ("frames", "coordinates"))
    return Layout(frames, 2 if wrist else 1, IMAGE_SIZE, coordinates)
