"""`python -m vlatrain` as a process: what it prints, what it refuses in one line, and what it never loads."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S
from vlatrain.__main__ import main

USER = Path(__file__).parent / "materials" / "user_method.yaml"
HEAVY = ("torch", "numpy", "transformers", "peft", "safetensors", "PIL", "gymnasium", "huggingface_hub", "textual")
ASK_WHAT_IS_LOADED = f"""
import runpy, sys
try:
    runpy.run_module("vlatrain", run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
heavy = sorted(set({HEAVY!r}) & set(sys.modules))
assert not heavy, heavy
"""


def vlatrain(*words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "vlatrain", *words]
    return subprocess.run(command, env={**clean, **(environ or {})}, capture_output=True, text=True, timeout=PATIENCE_S)


def place_of(field: str) -> str:
    lines = USER.read_text().splitlines()
    return f"{USER}:{next(number for number, line in enumerate(lines, 1) if line.startswith(field + ':'))}"


@pytest.mark.parametrize("words", [["--print-config", str(USER)], ["--json", "configs/demo.yaml"], ["--help"]], ids=str)
def test_a_printed_configuration_loads_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ASK_WHAT_IS_LOADED, *words], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [["--print-config", str(USER)], ["--help"]], ids=str)
def test_a_reader_that_has_gone_has_read_enough(words: list[str]) -> None:
    unread, answer = os.pipe()
    os.close(unread)
    command = [sys.executable, "-m", "vlatrain", *words]
    done = subprocess.run(command, stdout=answer, stderr=subprocess.PIPE, timeout=PATIENCE_S)
    os.close(answer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_json_has_values_origins_warnings_processes_places_and_name() -> None:
    done = vlatrain("--print-config", "--json", str(USER), "--batch_size", "4", "--project_root", "/project")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert set(answer) == {"config", "warnings", "notes", "nproc", "nproc_origin", "paths", "run_name"}
    assert answer["config"]["batch_size"] == {"value": 4, "origin": "command line"}
    assert answer["config"]["learning_rate"] == {"value": 2e-4, "origin": place_of("learning_rate")}
    assert answer["config"]["hsw_layer_ids"]["value"] == [-2, -1]
    assert answer["config"]["eval_log_dir"] == {"value": "/data3/embodied/runs/eval_logs", "origin": "default"}
    assert (answer["nproc"], answer["nproc_origin"]) == (1, "profile 4090_1gpu")
    assert answer["run_name"].startswith(
        "openvla-7b+libero_spatial_no_noops+b16+lr-0.0002+lora-r16+dropout-0.0--method"
    )
    assert answer["paths"]["adapters"] == "/data3/embodied/adapter-tmp/" + answer["run_name"]
    assert answer["paths"]["base_model"] is None
    assert [warning.split()[0] for warning in answer["warnings"]] == [
        "thermostat_estimator",
        "early_stopping_min_delta",
    ]


def test_text_has_every_value_with_its_origin() -> None:
    done = vlatrain("--print-config", str(USER), environ={"GRAD_ACCUM": "2"})
    rows = {line.split()[0]: line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith("  ")}
    assert rows["grad_accumulation_steps"][1:] == ["2", "environment GRAD_ACCUM"]
    assert rows["batch_size"][1] == "2"
    assert rows["run_id_note"][1:] == ["method", place_of("run_id_note")]
    assert "warning: early_stopping_min_delta" in done.stdout


@pytest.mark.parametrize(
    ("words", "environ", "nproc", "origin"),
    [
        ([], {"CUDA_VISIBLE_DEVICES": "0,1,2"}, 3, "visible GPUs"),
        ([], {"CUDA_VISIBLE_DEVICES": ""}, 1, "no GPU used"),
        (["--device", "cpu"], {"CUDA_VISIBLE_DEVICES": "0,1,2"}, 1, "no GPU used"),
        (["--server_profile", "4090_2gpu"], {"CUDA_VISIBLE_DEVICES": "0,1,2"}, 2, "profile 4090_2gpu"),
        (["--server_profile", "4090_2gpu", "--nproc", "4"], {"CUDA_VISIBLE_DEVICES": "0"}, 4, "command line"),
    ],
)
def test_processes_are_as_asked_else_as_the_profile_says_else_one_a_gpu_else_one(
    capsys: pytest.CaptureFixture[str], words: list[str], environ: dict[str, str], nproc: int, origin: str
) -> None:
    assert main(["--json", *words], environ) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["nproc"], answer["nproc_origin"]) == (nproc, origin)


def test_a_file_that_is_not_there_yet_stops_only_a_check(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--print-config", str(USER), "--method_enabled", "false", "--eval_task_suite_name", "tabletop_new"]
    assert main(words, {}) == 0
    capsys.readouterr()
    assert main([*words, "--check"], {}) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "vlatrain: --vla_path /data3/embodied/models/openvla-7b: " \
        "/data3/embodied/models/openvla-7b does not exist\n"  # fmt: skip


def test_a_refusal_under_torchrun_is_told_by_one_rank(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--batch_size", "0"], {"LOCAL_RANK": "1"}) == 2
    assert capsys.readouterr().err == ""
    assert main(["--batch_size", "0"], {"LOCAL_RANK": "0"}) == 2
    assert capsys.readouterr().err == "vlatrain: --batch_size 0: it must be at least 1 [batch_size: command line]\n"


FINE = ["--vla_path=base", "--eval_task_suite_name=tabletop_new", "--use_wandb=false"]
YAML = "dataset_name: libero_spatial_no_noops\nenable_periodic_eval: true\nsave_steps: 1000\nbatch_size: 2\n"
MIXTURE = ["--dataset_name=libero_spatial_no_noops,libero_goal_no_noops:0.5", "--eval_task_suite_name=libero_10"]
MISTAKES: dict[str, tuple[str, list[str], dict[str, str], str]] = {
    "a configuration that is not there": ("", ["nowhere.yaml"], {}, "configuration file nowhere.yaml does not exist"),
    "broken YAML": (YAML + "a: [1\n", [], {}, "x.yaml:6: not valid YAML"),
    "a misspelt key": (YAML + "learning_rat: 1\n", [], {}, "x.yaml:5: unknown field 'learning_rat': did you mean"),
    "a key given twice": (YAML + "batch_size: 4\n", [], {}, "x.yaml:5: batch_size is given twice, first at"),
    "a misspelt flag": (YAML, ["--batch-sise", "3"], {}, "unknown field 'batch-sise': did you mean batch_size?"),
    "a flag without its value": (YAML, ["--image_aug"], {}, "--image_aug needs a value"),
    "a word for a number": (YAML, ["--max_steps", "many"], {}, "--max_steps 'many': it must be a whole number"),
    "a wrong variable": (YAML, [], {"GRAD_ACCUM": "x"}, "environment GRAD_ACCUM: grad_accumulation_steps 'x'"),
    "no steps": (YAML, ["--max_steps", "0"], {}, "--max_steps 0: it must be at least 1"),
    "evaluations between checkpoints": (YAML, ["--eval_every_steps", "1500"], {}, "take 1000 or 2000"),
    "an unknown profile": (YAML, [], {"SERVER_PROFILE": "4090"}, "--server_profile 4090: no such profile"),
    "an unknown suite": (YAML, ["--eval_task_suite_name", "libero"], {}, "no such suite; there are"),
    "an unknown scheduler": (YAML, ["--lr_scheduler", "linear"], {}, "it must be one of none|cosine"),
    "a model that is not there": (YAML, ["--vla_path", "/m/openvla-7b"], {}, "/m/openvla-7b does not exist"),
    "a model by one of its files": (YAML, ["--vla_path", "base/config.json"], {}, "config.json is a file; name the"),
    "more actions than the model was made for": (YAML, ["--action_chunk=8"], {}, "base was made for 1; set it so"),
    "a note with a slash": (YAML, ["--run_id_note", "a/b"], {}, "it becomes part of a folder's name"),
    "a data set that is not there": (YAML, ["--dataset_name", "bridge"], {}, "bridge: no such folder in"),
    "a folder that is no data set": (YAML, ["--dataset_name=libero_photos"], {}, "libero_photos: holds neither"),
    "a data set of unknown actions": (YAML, ["--dataset_name=bridge_orig"], {}, "no action convention is known for"),
    "a data set with a shard missing": (YAML, ["--dataset_name=libero_cut"], {}, "1 of 2 train shards are missing"),
    "a data set that Git LFS left out": (YAML, ["--dataset_name=libero_pointer"], {}, "is a Git LFS pointer"),
    "a data set without a train split": (YAML, ["--dataset_name=libero_test"], {}, "has no split called train"),
    "a broken LeRobot data set": (YAML, ["--dataset_name=libero_lerobot"], {}, "no description of a LeRobot data set"),
    "a model that Git LFS left out": (YAML, ["--vla_path", "pointer"], {}, "model.safetensors is a Git LFS pointer"),
    "a mixture without the suite evaluated": (YAML, MIXTURE, {}, "--eval_task_suite_name libero_10: no part of the"),
    "an adapter that is not there": (YAML, [], {"RESUME_ADAPTER": "/a"}, "--resume_adapter_dir /a: no such folder"),
    "an adapter of another rank": (YAML, ["--resume_adapter_dir", "adapter"], {}, "--lora_rank 32: the adapter"),
    "an adapter of another base": (YAML, ["--resume_adapter_dir=other", "--lora_rank=16"], {}, "was not made for"),
    "a truncated model": (YAML, ["--vla_path", "cut"], {}, "has 110 bytes instead of 111"),
    "two things to go on from": (YAML, ["--resume_adapter_dir=a", "--resume_full_model_dir=b"], {}, "from one of them"),
    "no GPU": (YAML, ["--device", "cuda"], {"CUDA_VISIBLE_DEVICES": ""}, "--device cuda: no GPU is visible"),
    "more processes than GPUs": (YAML, ["--nproc=4"], {"CUDA_VISIBLE_DEVICES": "0"}, "4 processes on 1 visible GPU"),
    "a data set by its path": (YAML, ["--dataset_name", "/d/libero"], {}, "it is the name of a folder"),
}


def safetensors(name: str, shape: tuple[int, int]) -> bytes:
    size = shape[0] * shape[1]
    header = json.dumps({name: {"dtype": "U8", "shape": shape, "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("libero_spatial_no_noops", "libero_goal_no_noops", "libero_cut", "libero_pointer", "libero_test"):
        (tmp_path / "datasets" / name).mkdir(parents=True)
        split = "test" if name == "libero_test" else "train"
        shard = (
            tmp_path / "datasets" / name / f"libero-{split}.tfrecord-00000-of-0000{2 if name == 'libero_cut' else 1}"
        )
        shard.write_text("version https://git-lfs.github.com/spec/v1" if name == "libero_pointer" else "")
    (tmp_path / "datasets" / "libero_photos").mkdir()
    (tmp_path / "datasets" / "bridge_orig").mkdir()
    (tmp_path / "datasets" / "libero_lerobot" / "meta").mkdir(parents=True)
    (tmp_path / "datasets" / "libero_lerobot" / "meta" / "info.json").write_text("{}")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text(json.dumps({"model_type": "openvla"}))
    (tmp_path / "base" / "model.safetensors").write_bytes(safetensors("q.weight", (4, 8)))
    shutil.copytree(tmp_path / "base", tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").write_bytes(safetensors("q.weight", (4, 8))[:-1])
    shutil.copytree(tmp_path / "base", tmp_path / "pointer")
    (tmp_path / "pointer" / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1")
    for name in ("adapter", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text('{"r": 16}')
    lora = "base_model.model.q.lora_A.weight"
    (tmp_path / "other" / "adapter_model.safetensors").write_bytes(safetensors(lora, (16, 4)))
    return tmp_path


@pytest.mark.parametrize("name", MISTAKES)
def test_a_likely_mistake_gives_one_clear_line_and_leaves_nothing_behind(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text, words, environ, told = MISTAKES[name]
    (project / "x.yaml").write_text(text)
    monkeypatch.chdir(project)
    before = sorted(project.rglob("*"))
    config = ["x.yaml"] if text else []
    assert main(["--print-config", "--check", *FINE, *config, *words], environ) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("vlatrain: ")
    assert said.err.count("\n") == 1
    assert told in said.err
    assert sorted(project.rglob("*")) == before


def test_the_same_without_a_mistake_passes(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "x.yaml").write_text(YAML)
    monkeypatch.chdir(project)
    assert main(["--print-config", "--check", *FINE, "x.yaml"], {}) == 0
    assert capsys.readouterr().err == ""


def test_a_mistake_ends_the_process_with_status_2() -> None:
    done = vlatrain("--batch_size", "none")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "vlatrain: --batch_size 'none': it must be a whole number\n"
