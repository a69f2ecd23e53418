"""What each program loads, proven in fresh interpreters."""

import json
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import vlad
import vlatui
from vlad.records.shipped import shipped_configs
from vlad.supervise.detach import BOOT

SCIENCE = {"torch", "numpy", "transformers", "peft", "safetensors", "tokenizers", "pandas", "scipy"}
DASHBOARD = {"textual", "rich", "watchfiles"}
PROGRAMS = {"vlatrain", "vlatui"}
REPORT = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def loaded_by(code: str, home: Path) -> set[str]:
    """What a fresh interpreter has loaded after `code`: top-level names, and every module of ours."""
    quiet = f"import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    {code}\n{REPORT}"
    done = subprocess.run(
        [sys.executable, "-c", quiet], capture_output=True, check=True, env={**os.environ, "VLAD_HOME": str(home)}
    )
    names = json.loads(done.stdout.splitlines()[-1])
    return {name.split(".")[0] for name in names} | {name for name in names if name.startswith(("vlad.", "vlatui."))}


def modules_of(package: ModuleType) -> list[str]:
    found = (module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))
    return [name for name in found if not name.endswith("__main__")]


def test_listing_runs_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = loaded_by("from vlad.cli import run; assert run(['ls']) == 0", tmp_path)
    assert "vlad.commands.watching.ls" in loaded
    heavy = {"asyncio", "yaml", "psutil", "subprocess", "importlib.metadata", "email", "socket"}
    assert not loaded & (SCIENCE | DASHBOARD | PROGRAMS | heavy)


def test_a_verb_loads_no_other_verb(tmp_path: Path) -> None:
    loaded = loaded_by("from vlad.cli import run; assert run(['ls']) == 0", tmp_path)
    verbs = {name for name in loaded if name.startswith("vlad.commands.")}
    used = ("command", "text", "verbs", "watching", "watching.ls", "watching.overview")
    assert verbs == {f"vlad.commands.{name}" for name in used}


def test_the_supervisor_of_our_trainer_loads_no_parsers(tmp_path: Path) -> None:
    loaded = loaded_by("import vlad.supervise.keeper", tmp_path)
    assert "vlad.supervise.observer" in loaded
    assert not {name for name in loaded if name.startswith("vlad.parsers")}


def test_a_supervisor_holds_nothing_in_memory_that_it_can_do_without(tmp_path: Path) -> None:
    """Each of these is half a MB or more, of every run."""
    loaded = loaded_by("import vlad.supervise.keeper, vlad.supervise.read_log", tmp_path)
    assert not loaded & {"dataclasses", "logging", "threading", "argparse", "subprocess", "socket", "yaml", "psutil"}
    assert not loaded & {"vlad.policy.diagnose", "vlad.policy.notices", "vlad.host.user_config", "vlad.records.summary"}


def test_a_guard_of_a_run_holds_no_module_that_only_its_libraries_import(tmp_path: Path) -> None:
    """As `vlad start` boots it: each of these is up to half a MB, of every run."""
    boot = BOOT.format(paths=sys.path).removesuffix("main()") + "print(*sys.modules)"
    argv = [sys.executable, "-I", "-S", "-c", boot, str(tmp_path)]
    loaded = set(subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split())
    assert {"vlad.supervise.keeper", "vlad.supervise.supervisor", "msgspec", "pathlib"} <= loaded
    spared = {"ipaddress", "urllib.parse", "uuid", "platform", "datetime", "decimal", "msgspec.inspect", "textwrap"}
    assert not loaded & (spared | {"typing_extensions", "resource", "heapq"})


def test_no_part_of_vlad_loads_science_or_dashboard_or_the_other_programs(tmp_path: Path) -> None:
    modules = modules_of(vlad)
    assert len(modules) > 30
    loaded = loaded_by("import " + ", ".join(modules), tmp_path)
    assert set(modules) <= loaded
    assert not loaded & (SCIENCE | DASHBOARD | PROGRAMS)


def test_no_part_of_the_dashboard_loads_science_or_the_trainer(tmp_path: Path) -> None:
    modules = modules_of(vlatui)
    loaded = loaded_by("import " + ", ".join(modules), tmp_path)
    assert {"textual", *modules} <= loaded
    assert not loaded & (SCIENCE | {"vlatrain"})


def test_resolving_a_configuration_loads_no_torch(tmp_path: Path) -> None:
    config = shipped_configs() / "baseline_lora.yaml"
    words = ["--print-config", str(config)]
    loaded = loaded_by(
        f"import os; from vlatrain.__main__ import main; assert main({words}, os.environ) == 0", tmp_path
    )
    assert "vlatrain" in loaded
    assert not loaded & (SCIENCE | DASHBOARD | {"vlatui"})
