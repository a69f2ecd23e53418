"""The tool `demos`: demonstrations of the tabletop or of LIBERO, recorded as an RLDS data set."""

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from vlad.records.files import replace_file

from vlatrain.configuration.preflight import count_gpus
from vlatrain.data.hdf5 import h5py_module
from vlatrain.data.hdf5_writer import write_hdf5
from vlatrain.data.importing import counted
from vlatrain.data.rlds_writer import write_rlds
from vlatrain.data.spool import load_ahead
from vlatrain.errors import TrainerError
from vlatrain.evaluate.libero import IMAGE_SIZE, STEP_LIMITS
from vlatrain.sim.finding import FoundLibero, found_libero, render_environment
from vlatrain.sim.pool import Pool
from vlatrain.sim.protocol import Layout
from vlatrain.sim.recording import Plan, Recording
from vlatrain.sim.tabletop import SUITES, demonstrations
from vlatrain.sim.workers import WorkerProgram
from vlatrain.ticker import Ticker

REPORT = "demonstrations.json"
PICTURED, STATED = "_hdf5", "_states"
"""What the folder of HDF5 files is called, after the data set: with pictures, or with states alone"""
MOST_COORDINATES = 512
"""Of any scene; those of libero_spatial have 92"""


def record(arguments: argparse.Namespace) -> None:
    """Raises TrainerError for a suite that is none, or a simulator that is not there."""
    if arguments.episodes is None:
        raise TrainerError("--episodes N says how many to record, or --render PATH of what to make pictures")
    if arguments.states and arguments.hdf5:
        raise TrainerError("--states records no pictures, --hdf5 files have some: choose one of them")
    if arguments.suite in SUITES:
        if arguments.states or arguments.hdf5:
            raise TrainerError(f"--suite {arguments.suite}: --states and --hdf5 are of LIBERO's demonstrations")
        record_tabletop(arguments)
    elif arguments.suite in STEP_LIMITS:
        record_libero(arguments)
    else:
        raise TrainerError(f"--suite {arguments.suite}: there are {', '.join([*SUITES, *STEP_LIMITS])}")


def record_tabletop(arguments: argparse.Namespace) -> None:
    recorded = demonstrations(arguments.suite, arguments.episodes, arguments.seed)
    name = arguments.name or arguments.suite
    with Ticker(sys.stderr) as tell:
        counted_ones = counted(recorded, lambda number: tell(f"{number}/{arguments.episodes} episodes"))
        folder = write_rlds(arguments.out, name, counted_ones, arguments.shards, jpeg_quality=arguments.jpeg_quality)
    print(folder)


def record_libero(arguments: argparse.Namespace) -> None:
    """Episodes gather in a spool beside the data set, which a second call with the same words completes."""
    folder = new_folder(arguments)
    if arguments.hdf5 or arguments.states:
        h5py_module()
    found = found_libero(arguments.sim_python)
    tasks = tasks_of(arguments, found)
    tell = Ticker(sys.stderr)
    recording = Recording(
        plan=plan_of(arguments),
        instructions=found.instructions(arguments.suite),
        folder=arguments.out / f".{folder.name}.spool",
        tell=tell,
        tasks=tasks,
    )
    workers = min(workers_of(arguments), arguments.episodes)
    try:
        with tell, Pool(program_of(found, layout_of(recording.plan)), workers) as pool:
            recording.run(pool)
    except KeyboardInterrupt:
        kept = f"{len(recording.files)} of {arguments.episodes} episodes are kept"
        raise KeyboardInterrupt(f"{kept}; the same command goes on from there") from None
    print("\n".join(recording.table()), file=sys.stderr)
    if not recording.files:
        raise TrainerError(f"--suite {arguments.suite}: the expert did none of these tasks")
    if arguments.hdf5:
        write_hdf5(arguments.out / f"{folder.name}{PICTURED}", load_ahead(recording.files))
    if arguments.states:
        write_hdf5(folder, load_ahead(recording.files))
    else:
        write_rlds(arguments.out, folder.name, load_ahead(recording.files), arguments.shards)
    write_report(folder / REPORT, recording, found)
    shutil.rmtree(recording.folder)
    print(folder)


def plan_of(arguments: argparse.Namespace) -> Plan:
    return Plan(
        suite=arguments.suite,
        episodes=arguments.episodes,
        seed=arguments.seed,
        shaky=arguments.shaky,
        limit=arguments.limit or STEP_LIMITS[arguments.suite],
        wrist=not arguments.no_wrist,
        size=IMAGE_SIZE,
        jpeg_quality=arguments.jpeg_quality,
        pictures=not arguments.states,
        states=arguments.states or arguments.hdf5,
    )


def layout_of(plan: Plan) -> Layout:
    cameras = (2 if plan.wrist else 1) if plan.pictures else 0
    return Layout(plan.limit, cameras, plan.size, MOST_COORDINATES if plan.states else 0)


def new_folder(arguments: argparse.Namespace) -> Path:
    """Of the set to be made. Raises TrainerError where it is there already."""
    name = arguments.name or f"{arguments.suite}_no_noops"
    folder: Path = arguments.out / (name + STATED if arguments.states else name)
    for one in (folder, *([arguments.out / (name + PICTURED)] if arguments.hdf5 else [])):
        if one.exists():
            raise TrainerError(f"{one} exists already; remove it or choose another --name")
    return folder


def tasks_of(arguments: argparse.Namespace, found: FoundLibero) -> list[int]:
    """Those asked for, each once, else all of the suite. Raises TrainerError for one that it does not have."""
    every = range(len(found.instructions(arguments.suite)))
    for number in arguments.tasks or ():
        if number not in every:
            raise TrainerError(f"--tasks {number}: {arguments.suite} has tasks 0 to {every[-1]}")
    return list(dict.fromkeys(arguments.tasks or every))


def workers_of(arguments: argparse.Namespace) -> int:
    """As many as asked for, else one a core."""
    return arguments.workers or max(1, len(os.sched_getaffinity(0)))


def program_of(found: FoundLibero, layout: Layout) -> WorkerProgram:
    """A GPU for every worker in turn, where this host has some."""
    gpus = range(count_gpus(os.environ))
    environments = tuple(render_environment(os.environ, number, has_gpu=True) for number in gpus)
    return WorkerProgram(argv=found.argv, layout=layout, environments=environments or ({},))


def write_report(path: Path, recording: Recording, found: FoundLibero) -> None:
    """How the set was made, beside it: settings, versions, and the expert's success by task."""
    document = {
        "plan": asdict(recording.plan),
        "versions": dict(found.versions),
        "episodes": len(recording.files),
        "dropped": recording.dropped,
        "simulators_lost": recording.lost,
        "tasks": {recording.instructions[task]: asdict(score) for task, score in sorted(recording.scores.items())},
    }
    replace_file(path, json.dumps(document, indent=1).encode())
