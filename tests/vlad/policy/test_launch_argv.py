"""`vlad start` arguments and environment to the trainer's command lines."""

import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from vlad.policy.launch_argv import (
    BadArguments,
    TrainArguments,
    asked_processes,
    kept_environment,
    print_config_argv,
    processes_of,
    trainer_argv,
    trainer_overrides,
    training_environment,
)
from vlad.records.shipped import shipped_configs


def test_figures_mean_what_they_meant_to_the_original_launcher() -> None:
    arguments = TrainArguments(figures=("auto", "10000", "1000", "2000", "5"))
    assert asked_processes(arguments) == "auto"
    assert trainer_overrides(arguments) == (
        "--max_steps=10000",
        "--save_steps=1000",
        "--enable_periodic_eval=true",
        "--eval_every_steps=2000",
        "--early_stopping_enabled=true",
        "--early_stopping_patience=5",
    )


@pytest.mark.parametrize(
    ("figures", "nproc", "overrides"),
    [
        ((), "auto", ()),
        (("8",), "8", ()),
        (("08", "500"), "8", ("--max_steps=500",)),
        (("2", "500", "100"), "2", ("--max_steps=500", "--save_steps=100")),
    ],
)
def test_figures_left_out_are_left_to_the_configuration(
    figures: tuple[str, ...], nproc: str, overrides: tuple[str, ...]
) -> None:
    arguments = TrainArguments(figures=figures)
    assert (asked_processes(arguments), trainer_overrides(arguments)) == (nproc, overrides)


def test_set_comes_last_so_that_it_beats_a_figure() -> None:
    arguments = TrainArguments(
        figures=("1", "500"), profile="v100_8gpu", project_root="/p", settings=("max_steps=7", "run_id_note=a=b c")
    )
    assert trainer_overrides(arguments) == (
        "--max_steps=500",
        "--server_profile=v100_8gpu",
        "--project_root=/p",
        "--max_steps=7",
        "--run_id_note=a=b c",
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (TrainArguments(resume="newest"), ("--resume=newest",)),
        (TrainArguments(from_scratch=True, settings=("batch_size=4",)), ("--batch_size=4", "--from-scratch")),
    ],
    ids=["resume", "from scratch"],
)
def test_what_to_go_on_from_is_the_trainer_s_to_find(arguments: TrainArguments, words: tuple[str, ...]) -> None:
    assert trainer_overrides(arguments) == words


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "²", "1025"])
def test_a_number_of_processes_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadArguments, match="NPROC"):
        asked_processes(TrainArguments(figures=(text,)))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (TrainArguments(figures=("1", "many")), "TARGET_STEPS 'many': it must be a whole number of at least 1"),
        (TrainArguments(figures=("1", "5", "0")), "SAVE_STEPS '0'"),
        (TrainArguments(figures=("1", "5", "5", "x")), "EVAL_EVERY 'x'"),
        (TrainArguments(figures=("1", "5", "5", "5", "-2")), "PATIENCE '-2'"),
        (TrainArguments(figures=("1", "2", "3", "4", "5", "6")), "too many arguments (1 2 3 4 5 6)"),
        (
            TrainArguments(resume="newest", from_scratch=True),
            "--resume newest and --from-scratch: a run cannot do both",
        ),
        (TrainArguments(settings=("batch_size",)), "--set batch_size: it must be field=value"),
        (TrainArguments(settings=("=4",)), "--set =4: it must be field=value"),
        (TrainArguments(settings=("--batch_size=4",)), "--set --batch_size=4: it must be field=value"),
    ],
)
def test_arguments_that_cannot_be_are_refused_by_name_and_value(arguments: TrainArguments, told: str) -> None:
    with pytest.raises(BadArguments) as refusal:
        trainer_overrides(arguments)
    assert str(refusal.value).startswith(told)


def test_the_job_is_torchrun_that_never_restarts_by_itself() -> None:
    assert trainer_argv("/env/bin/python", 2, "/runs/x/spec.json") == (
        *("/env/bin/python", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=0"),
        *("-m", "vlatrain", "/runs/x/spec.json"),
    )


def test_the_trainer_understands_what_it_is_asked(tmp_path: Path) -> None:
    overrides = trainer_overrides(
        TrainArguments(figures=("3", "400", "100", "200", "9"), project_root=str(tmp_path), settings=("batch_size=5",))
    )
    argv = print_config_argv(sys.executable, str(shipped_configs() / "demo.yaml"), overrides, "3", check=False)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"batch_size": {"value": 5, "origin": "command line"}' in done.stdout
    assert '"eval_every_steps": {"value": 200' in done.stdout
    assert '"nproc": 3' in done.stdout


def test_a_check_is_asked_for_only_when_wanted() -> None:
    assert "--check" in print_config_argv("python", None, (), check=True)
    assert print_config_argv("python", None, (), check=False) == (
        *("python", "-m", "vlatrain", "--print-config", "--json", "--nproc=auto"),
    )


ENVIRONMENT = {
    "PATH": "/bin",
    "HF_ENDPOINT": "https://mirror",
    "CUDA_VISIBLE_DEVICES": "0,1",
    "NCCL_DEBUG": "INFO",
    "https_proxy": "http://proxy:3128",
    "TOKENIZERS_PARALLELISM": "false",
    "TRACKIO_DIR": "/data/trackio",
    "WANDB_MODE": "offline",
    "RESUME_STEP": "500",
    "LC_ALL": "C.UTF-8",
}
NOT_KEPT = {
    "HF_TOKEN": "hf_x",
    "WANDB_API_KEY": "x",
    "HUGGINGFACE_HUB_TOKEN": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "http_proxy": "http://me:secret@proxy:3128",
    "SSH_AUTH_SOCK": "/tmp/agent",
    "PS1": "$ ",
}


def test_the_spec_keeps_what_programs_need_and_no_secret() -> None:
    assert kept_environment({**ENVIRONMENT, **NOT_KEPT}) == ENVIRONMENT


def test_training_has_the_original_launcher_s_settings_unless_set_otherwise() -> None:
    chosen = training_environment({"PYTORCH_CUDA_ALLOC_CONF": "backend:native"})
    always = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}
    assert chosen == {"PYTORCH_CUDA_ALLOC_CONF": "backend:native", **always}
    assert training_environment({})["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"


@pytest.mark.parametrize(
    ("command", "processes"),
    [
        ("torchrun --nproc-per-node 8 train.py", 8),
        ("python -m torch.distributed.run --nproc_per_node=2 train.py", 2),
        ("torchrun --nproc-per-node auto train.py", None),
        ("torchrun train.py --nproc-per-node", None),
        ("python train.py", None),
    ],
)
def test_the_processes_of_a_command_are_those_that_torchrun_is_told(command: str, processes: int | None) -> None:
    assert processes_of(tuple(command.split())) == processes
