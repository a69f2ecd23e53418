"""`torchrun -m vlatrain CONFIG --field value`: trains; with --print-config it says what would be trained."""

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence

from vlatrain.ahead import read_ahead
from vlatrain.configuration.arguments import Arguments, help_text, parse_arguments
from vlatrain.configuration.places import base_model_folder, hub_caches
from vlatrain.configuration.preflight import check_files, check_machine, count_gpus
from vlatrain.configuration.printed import Printed, as_json, as_text, printed
from vlatrain.configuration.resolve import Resolved, resolve
from vlatrain.console import say
from vlatrain.errors import TrainerError, TrainingError

BAD_CONFIGURATION = 2
TRAINING_FAILED = 1
BROKEN_PIPE = 141
OTHERS = 0o077
"""The rights that nobody but the owner has to any file that is written here, by whatever library"""


def main(words: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs one command line; the exit status is 2 for what the user must put right, told in one line."""
    try:
        arguments = parse_arguments(words)
        if "help" in arguments.switches:
            return _answered(help_text())
        resolved = resolve(arguments.config_file, arguments.overrides, environ)
        answer = printed(resolved, arguments.nproc, count_gpus(environ), environ)
        if arguments.switches & {"print-config", "json", "check"}:
            return _print(answer, resolved, arguments, environ)
        check_files(resolved.config, environ)
        check_machine(resolved.config, environ, int(environ.get("LOCAL_WORLD_SIZE", "1")), count_gpus(environ))
    except TrainerError as error:
        if environ.get("LOCAL_RANK", "0") == "0":
            say(f"vlatrain: {error}", sys.stderr)
        return BAD_CONFIGURATION
    return _train(resolved, environ)


def _print(answer: Printed, resolved: Resolved, arguments: Arguments, environ: Mapping[str, str]) -> int:
    if "check" in arguments.switches:
        check_files(resolved.config, environ)
        check_machine(resolved.config, environ, answer.nproc, count_gpus(environ))
    return _answered(json.dumps(as_json(answer)) if "json" in arguments.switches else as_text(answer))


def _answered(text: str) -> int:
    """Prints an answer. A reader that has gone (`| head`) has read enough."""
    try:
        say(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is written once more at the end
        return BROKEN_PIPE
    return 0


def _train(resolved: Resolved, environ: Mapping[str, str]) -> int:
    """Loads torch; until here none of it is needed."""
    folder = resolved.config.resume_full_model_dir or base_model_folder(resolved.config, environ)
    if folder is not None and environ.get("LOCAL_RANK", "0") == "0":
        read_ahead(folder)
    os.environ.setdefault("HF_HUB_CACHE", str(hub_caches(resolved.config, environ)[0]))
    level = logging.INFO if environ.get("RANK", "0") == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    from vlad.report import answer_stack_requests

    answer_stack_requests()  # loading may hang too
    from torch.distributed.elastic.multiprocessing.errors import record

    from vlatrain.train.loop import train
    from vlatrain.train.session import open_session

    @record  # what ends this rank is written where torchrun and the supervisor look, before there are ranks too
    def trained() -> None:
        with open_session(resolved.config) as session:
            train(session)

    try:
        trained()
    except TrainerError as error:
        say(f"vlatrain: rank {environ.get('RANK', '0')}: {error}", sys.stderr)
        return TRAINING_FAILED if isinstance(error, TrainingError) else BAD_CONFIGURATION
    return 0


if __name__ == "__main__":
    os.umask(OTHERS)
    sys.exit(main(sys.argv[1:], os.environ))
