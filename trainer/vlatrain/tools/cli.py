"""`python -m vlatrain.tools TOOL …`: what surrounds training: recording and looking at data, merging adapters, ICSM."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import base_model_folder, placed
from vlatrain.errors import TrainerError, TrainingError
from vlatrain.ticker import Ticker, gigabytes

if TYPE_CHECKING:
    from vlatrain.data.rlds import RLDSDataset

PROGRAM = "python -m vlatrain.tools"
BAD_ARGUMENTS = 2
FAILED = 1
DOES_NOT_FIT = 1
DAMAGED = 1
INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    """Runs one tool. Exit status 2 for what the user must put right, told in one line."""
    arguments = parsed(words)
    try:
        status: int | None = arguments.run(arguments)
    except TrainerError as error:
        print(f"vlatrain {arguments.tool}: {error}", file=sys.stderr)
        return FAILED if isinstance(error, TrainingError) else BAD_ARGUMENTS
    except KeyboardInterrupt as stop:
        print(f"\nvlatrain {arguments.tool}: {str(stop) or 'interrupted'}", file=sys.stderr)
        return INTERRUPTED
    return status or 0


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The tool and its arguments; some take the trainer's own words, which argparse would take apart."""
    tools = {"icsm": compute_statistics, "evaluate": evaluate_checkpoint, "plan": tell_plan}
    if (tool := "".join(words[:1])) in tools and not {"-h", "--help"} & set(words):
        return argparse.Namespace(tool=tool, run=tools[tool], words=words[1:])
    return parser().parse_args(words)


class Parser(argparse.ArgumentParser):
    """Tells in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        tool = self.prog.removeprefix(PROGRAM).strip()
        self.exit(BAD_ARGUMENTS, f"{f'vlatrain {tool}' if tool else PROGRAM}: {message}; --help shows how\n")


def parser() -> argparse.ArgumentParser:
    """All tools and their arguments."""
    whole = Parser(prog=PROGRAM, description=__doc__)
    tools = whole.add_subparsers(dest="tool", required=True, metavar="TOOL")
    add_demos(tools)
    add_fresh(tools)
    convert = tools.add_parser("convert", help="write LIBERO HDF5 files or a LeRobot data set as an RLDS data set")
    convert.add_argument("folder", type=Path, help="holds *.hdf5 files, or meta/info.json")
    convert.add_argument("--out", type=Path, required=True, help="data root: OUT/NAME/1.0.0 is written")
    convert.add_argument("--name", help="name of the new set (the folder's)")
    convert.add_argument("--camera", help="which pictures of a LeRobot data set")
    convert.add_argument("--shards", type=positive, default=8, help="files to spread them over (8)")
    convert.set_defaults(run=convert_data)
    data = tools.add_parser("data", help="what an RLDS data set holds; --verify checks every byte of it")
    data.add_argument("folder", type=Path, help="DATA_ROOT/DATASET_NAME, or its version folder")
    data.add_argument("--verify", action="store_true", help="check all checksums and decode all images")
    data.set_defaults(run=describe_data)
    verify = tools.add_parser("verify", help="check that checkpoints can be gone on from; exit status 1 where not")
    verify.add_argument("checkpoint", type=Path, help="a checkpoint, or a folder of checkpoints")
    verify.set_defaults(run=verify_checkpoint)
    merge = tools.add_parser("merge", help="write the base model with an adapter merged into it, for other programs")
    merge.add_argument("--adapter", type=Path, required=True, help="a checkpoint, or a folder of checkpoints: the last")
    merge.add_argument("--base", help="folder, hub id or tabletop_base (what adapter_config.json names)")
    merge.add_argument("--out", type=Path, required=True, help="folder to be made")
    merge.add_argument("--statistics", type=Path, help="dataset_statistics.json (the one beside the adapter)")
    merge.set_defaults(run=merge_adapter)
    icsm = tools.add_parser("icsm", help="compute the method's offline statistics of the frozen base model")
    icsm.add_argument("words", nargs="*", metavar="CONFIG --field value", help="as `python -m vlatrain` takes them")
    plan = tools.add_parser("plan", help="predict memory and step time on a card; exit status 1 where it does not fit")
    plan.add_argument("words", nargs="*", metavar="CONFIG --field value", help="as `python -m vlatrain` takes them")
    plan.add_argument("--card", help="such as 4090, V100, A100, H200 (this machine's, else the profile's)")
    plan.add_argument("--nproc", help="processes, one a card (as the profile says)")
    plan.add_argument("--json", action="store_true", help="print JSON, for programs")
    evaluation = tools.add_parser("evaluate", help="success rate of a checkpoint, or of a whole model, on a suite")
    evaluation.add_argument("checkpoint", help="an adapter, a folder of them (the last counts), or a model's folder")
    evaluation.add_argument("words", nargs="*", metavar="CONFIG --field value", help="as `python -m vlatrain`")
    held_out = tools.add_parser(
        "held-out", help="how far a checkpoint's answers are from demonstrations it has not seen"
    )
    held_out.add_argument("checkpoint", type=Path, help="an adapter, a folder of them (the last counts), or a model")
    held_out.add_argument("--data", type=Path, required=True, help="DATA_ROOT/DATASET_NAME: its part not trained on")
    held_out.add_argument("--frames", type=positive, default=1000, help="at most so many, evenly spread (1000)")
    held_out.set_defaults(run=measure_held_out)
    return whole


def add_demos(tools: "argparse._SubParsersAction[Parser]") -> None:
    """The arguments of the tool `demos`."""
    demos = tools.add_parser("demos", help="record demonstrations of the tabletop or of LIBERO as an RLDS data set")
    demos.add_argument("--suite", required=True, help="tabletop_base, tabletop_new, libero_spatial, libero_object, ...")
    demos.add_argument("--episodes", type=positive, help="successful episodes to record")
    demos.add_argument("--out", type=Path, required=True, help="data root: OUT/NAME/1.0.0 is written")
    demos.add_argument("--name", help="name of the set (the suite's; for LIBERO with _no_noops)")
    demos.add_argument("--seed", type=int, default=0)
    demos.add_argument("--shards", type=positive, default=2, help="files to spread them over (2)")
    demos.add_argument("--jpeg-quality", type=positive, default=95, help="1 to 100 (95, as TensorFlow)")
    libero = demos.add_argument_group("LIBERO")
    libero.add_argument(
        "--render",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="record nothing: make pictures of the simulator's states in these LIBERO HDF5 files, or folders of them",
    )
    libero.add_argument("--workers", type=positive, help="simulators side by side (one a core)")
    libero.add_argument("--sim-python", metavar="P", help="the Python that has LIBERO (or VLAD_SIM_PYTHON)")
    libero.add_argument("--tasks", type=int, nargs="+", metavar="N", help="only these tasks, counted from 0")
    libero.add_argument(
        "--shaky", action="store_true", help="noise and pushes in what is done, not in what is recorded"
    )
    libero.add_argument("--limit", type=positive, help="longest episode, in steps (the suite's limit)")
    libero.add_argument("--no-wrist", action="store_true", help="without the wrist camera, which takes half the time")
    libero.add_argument("--hdf5", action="store_true", help="also as LIBERO's own HDF5 files, in OUT/NAME_hdf5")
    libero.add_argument(
        "--states",
        action="store_true",
        help="the simulator's states instead of pictures, in OUT/NAME_states, for --render",
    )
    demos.set_defaults(run=record_demonstrations)


def add_fresh(tools: "argparse._SubParsersAction[Parser]") -> None:
    """The arguments of the tool `fresh`."""
    fresh = tools.add_parser("fresh", help="write a small OpenVLA with random weights, to be trained from nothing")
    fresh.add_argument("--data", type=Path, required=True, help="DATA_ROOT/DATASET_NAME: its words are the vocabulary")
    fresh.add_argument("--out", type=Path, required=True, help="folder to be made: a base model")
    fresh.add_argument("--wrist", action="store_true", help="sees the wrist camera too (use_wrist_image)")
    fresh.add_argument("--proprio", action="store_true", help="sees the hand's state too (use_proprio)")
    fresh.add_argument("--chunk", type=positive, default=1, help="actions that one answer foretells (action_chunk, 1)")
    fresh.add_argument("--width", type=positive, default=384, help="of the decoder, in channels (384)")
    fresh.add_argument("--depth", type=positive, default=4, help="layers of the decoder (4)")
    fresh.add_argument("--vision-width", type=positive, default=256, help="of each vision tower (256)")
    fresh.add_argument("--vision-depth", type=positive, default=6, help="blocks that run of each vision tower (6)")
    fresh.add_argument(
        "--stem",
        choices=("patch", "conv"),
        default="patch",
        help="how patches are embedded: by one product, as published, or by convolutions that halve (patch)",
    )
    fresh.add_argument("--image-size", type=positive, default=224, help="pixels a side that the model sees (224)")
    fresh.add_argument("--seed", type=int, default=0)
    fresh.set_defaults(run=write_fresh)


def positive(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def record_demonstrations(arguments: argparse.Namespace) -> None:
    """The tool `demos`."""
    if arguments.render:
        from vlatrain.tools.rendering import render

        render(arguments)
        return
    from vlatrain.tools.demonstrations import record

    record(arguments)


def evaluate_checkpoint(arguments: argparse.Namespace) -> None:
    """The tool `evaluate`; an evaluation that failed is an error, unless its result is written for somebody else."""
    from vlatrain.tools.checkpoint_evaluation import RESULT, evaluate_words

    result = evaluate_words(arguments.words)
    if result.failure is not None and not any(word.startswith(RESULT) for word in arguments.words):
        raise TrainingError(f"the evaluation failed: {result.failure}")


def measure_held_out(arguments: argparse.Namespace) -> None:
    """The tool `held-out`."""
    from vlatrain.tools.held_out import measure

    measure(arguments)


def write_fresh(arguments: argparse.Namespace) -> None:
    """The tool `fresh`."""
    from vlatrain.tools.fresh import write

    print(write(arguments))


def convert_data(arguments: argparse.Namespace) -> None:
    """The tool `convert`."""
    from vlatrain.data.importing import counted, episodes_of
    from vlatrain.data.rlds_writer import write_rlds

    name = arguments.name or arguments.folder.absolute().name
    with Ticker(sys.stderr) as tell:
        episodes = counted(episodes_of(arguments.folder, arguments.camera), lambda number: tell(f"{number} episodes"))
        folder = write_rlds(arguments.out, name, episodes, arguments.shards)
    print(folder)


def describe_data(arguments: argparse.Namespace) -> None:
    """The tool `data`."""
    from vlatrain.data.importing import Format, format_of
    from vlatrain.data.rlds import RLDSDataset

    folder: Path = arguments.folder
    if (kind := format_of(folder)) is not Format.RLDS:
        told = f"{folder}: {kind.value}, which training imports by itself; to look into it, write it as RLDS first"
        raise TrainerError(f"{told}: python -m vlatrain.tools convert {folder} --out FOLDER")
    with Ticker(sys.stderr) as tell:
        dataset = RLDSDataset(
            folder, verify=arguments.verify, progress=lambda done, total: tell(gigabytes(done, total, "walked"))
        )
        for place in range(len(dataset) if arguments.verify else 0):
            dataset.image(place)
            tell(f"{place + 1}/{len(dataset)} images decoded")
    print("\n".join(description(dataset)))


def merge_adapter(arguments: argparse.Namespace) -> None:
    """The tool `merge`."""
    from vlatrain.adapters import latest_adapter
    from vlatrain.model.merging import Adapter, merge, statistics_file

    adapter = Adapter.open(latest_adapter(arguments.adapter))
    base = base_folder(arguments.base or adapter.base_name)
    statistics = statistics_file(adapter, arguments.statistics)
    if statistics is None:
        told = (
            f"warning: no dataset_statistics.json beside {adapter.folder}; --statistics names that of the fine-tuning"
        )
        print(told, file=sys.stderr)
    with Ticker(sys.stderr) as tell:
        merge(adapter, base, arguments.out, statistics, lambda done, total: tell(gigabytes(done, total, "merging")))
    print(arguments.out.absolute())


def verify_checkpoint(arguments: argparse.Namespace) -> int:
    """The tool `verify`."""
    from vlatrain.train.verifying import findings, to_verify

    status = 0
    for checkpoint in to_verify(arguments.checkpoint):
        try:
            print("\n".join((f"ok       {checkpoint}", *(f"         {line}" for line in findings(checkpoint)))))
        except TrainerError as error:
            print(f"damaged  {checkpoint}\n         {error}")
            status = DAMAGED
    return status


def compute_statistics(arguments: argparse.Namespace) -> None:
    """The tool `icsm`."""
    from vlatrain.tools.offline import compute_statistics

    print(compute_statistics(arguments.words, os.environ))


def tell_plan(arguments: argparse.Namespace) -> int:
    """The tool `plan`."""
    from vlatrain.planning.answer import answer

    told, fits = answer(arguments.words, os.environ)
    print(told)
    return 0 if fits else DOES_NOT_FIT


def base_folder(named: str) -> Path:
    """The folder of a base model, downloaded first where it is a hub id that is not here. Raises TrainerError."""
    from vlatrain.model.hub import find_base

    if not named:
        raise TrainerError("the adapter does not name its base model: --base")
    config = placed(FinetuneConfig(vla_path=named), Path.cwd())
    return base_model_folder(config, os.environ) or find_base(named, option="--base")


def description(dataset: "RLDSDataset") -> Iterator[str]:
    """What a data set holds, in lines."""
    whole = dataset.statistics[dataset.name]
    action = whole["action"]
    yield f"{dataset.name}: {whole['num_transitions']} frames, {whole['num_trajectories']} episodes"
    yield f"{len(dataset)} frames in the split read; first image {'x'.join(map(str, dataset.image(0).shape))}"
    for name in ("q01", "q99", "min", "max", "mean", "std"):
        yield f"{name:>5} " + " ".join(f"{number:8.4f}" for number in action[name])
    yield from sorted(dataset.instructions)
