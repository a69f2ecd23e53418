"""Adapters that a run could go on from: those of its own name in adapter_tmp_dir, whatever their batch.

The original launcher resumed the newest adapter of two fixed batch sizes whenever nothing else was said. Here that has
to be asked for, by `--resume newest` or RESUME_ADAPTER=newest, and what is found is told with the reason of the choice.
Loads no torch.
"""

import re
import time
from dataclasses import replace
from pathlib import Path

from vlatrain.adapters import FoundAdapter, adapters_in, found_adapter, latest_adapter, subfolders
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import run_name
from vlatrain.errors import ConfigError

NEWEST = Path("newest")
MOST_TOLD = 5


def candidates(config: FinetuneConfig) -> list[FoundAdapter]:
    """The adapters of this run's name, oldest first; the folder's batch and the number of a later run do not count."""
    pattern = re.compile(re.sub(r"\\\+b\d+\\\+", r"\\+b\\d+\\+", re.escape(run_name(config))) + r"(--\d+)?")
    folders = [path for path in subfolders(config.adapter_tmp_dir) if pattern.fullmatch(path.name)]
    found = [adapter for folder in folders for adapter in adapters_in(folder)]
    return sorted(found, key=lambda one: (one.saved_at, one.step or 0))


def newest(config: FinetuneConfig) -> FoundAdapter:
    """The candidate that was saved last. Raises ConfigError where there is none."""
    found = candidates(config)
    if not found:
        raise ConfigError(
            f"--resume newest: no adapter named {run_name(config)} (of any batch) is in {config.adapter_tmp_dir}; "
            "name one with --resume DIR, or start with --from-scratch",
            "resume_adapter_dir",
        )
    return found[-1]


def why_chosen(config: FinetuneConfig) -> tuple[str, ...]:
    """The lines that tell what `newest` chose, and what else there was."""
    *others, chosen = candidates(config)
    count = f"the newest of {len(others) + 1} adapters of this name" if others else "the only adapter of this name"
    lines = [f"goes on from {described(chosen)}: {count} in {config.adapter_tmp_dir}"]
    lines += [f"also there: {described(one)}" for one in reversed(others[-MOST_TOLD:])]
    return (*lines, *([f"and {len(others) - MOST_TOLD} older ones"] if len(others) > MOST_TOLD else []))


def what_is_gone_on_from(config: FinetuneConfig) -> tuple[str, ...]:
    """The line that tells which adapter a named folder stands for; none where it holds none, which is refused later."""
    found = _gone_on_from(config)
    if found is None:
        return ()
    asked = config.resume_global_step or None
    return (f"goes on from {described(found if found.step is not None else replace(found, step=asked))}",)


def nothing_left(config: FinetuneConfig) -> tuple[str, ...]:
    """One line where the adapter that is gone on from has been trained to the last step already."""
    found = _gone_on_from(config)
    step = 0 if found is None else config.resume_global_step if found.step is None else found.step
    if step < config.max_steps:
        return ()
    return (f"nothing is left to train: step {step} is reached, and max_steps of the whole run is {config.max_steps}",)


def _gone_on_from(config: FinetuneConfig) -> FoundAdapter | None:
    named = config.resume_adapter_dir
    return None if named is None else found_adapter(latest_adapter(named))


def what_is_ignored(config: FinetuneConfig) -> tuple[str, ...]:
    """One line where a run starts from scratch although it could go on from something."""
    found = candidates(config)
    if not found:
        return ()
    count = f"{len(found)} adapters of this name are" if len(found) > 1 else "an adapter of this name is"
    return (f"starts from scratch; {count} there, the last {described(found[-1])}: --resume newest goes on from it",)


def described(adapter: FoundAdapter) -> str:
    """Path, step and date."""
    step = "step unknown" if adapter.step is None else f"step {adapter.step}"
    return f"{adapter.path} ({step}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(adapter.saved_at))})"
