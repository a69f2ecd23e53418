"""What can be told of data sets before anything is loaded: absent, of no known form, not made for the suite."""

from difflib import get_close_matches

from vlatrain.configuration.checks import needs
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.data.names import made_for, mixture_parts
from vlatrain.errors import ConfigError, TrainerError
from vlatrain.suites import EMBEDDED_SUITES


def check_data(config: FinetuneConfig) -> None:
    """Raises ConfigError for the first thing that training would miss in its data set, or in the parts of a mixture."""
    check_presence(config)
    check_folders(config)
    check_states(config)
    check_suite(config)


def check_presence(config: FinetuneConfig) -> None:
    """Raises ConfigError for a data set that is not there. Those of the embedded simulator are made on demand."""
    missing = [part.name for part in mixture_parts(config.dataset_name) if not _is_there(config, part.name)]
    if not missing:
        return
    if not config.data_root_dir.is_dir():
        raise ConfigError(
            f"--data_root_dir {config.data_root_dir}: no such folder; it is to hold {missing[0]}: set data_root_dir or "
            "project_root",
            "data_root_dir",
        )
    there = sorted(entry.name for entry in config.data_root_dir.iterdir() if entry.is_dir())
    close = get_close_matches(missing[0], there, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there: {', '.join(there[:8]) or 'nothing'}"
    raise ConfigError(f"--dataset_name {missing[0]}: no such folder in {config.data_root_dir}; {hint}", "dataset_name")


def check_folders(config: FinetuneConfig) -> None:
    """Raises ConfigError for a folder that is no whole data set, by the names in it and what it tells of itself."""
    from vlatrain.data.importing import check_folder

    for part in mixture_parts(config.dataset_name):
        if (folder := config.data_root_dir / part.name).is_dir():
            try:
                check_folder(folder)
            except TrainerError as error:
                raise ConfigError(f"--dataset_name {part.name}: {error}", "dataset_name") from None


def check_states(config: FinetuneConfig) -> None:
    """Raises ConfigError where the hand's state is an input, or to be foretold, and a data set knows none."""
    from vlatrain.data.importing import lacks_states

    asked = {"use_proprio": (config.use_proprio, "false"), "proprio_loss_weight": (config.foretells_proprio, "0")}
    for part in mixture_parts(config.dataset_name):
        folder = config.data_root_dir / part.name
        for name, (is_asked, off) in asked.items():
            is_known = not is_asked or not folder.is_dir() or not lacks_states(folder)
            needs(config, name, is_known, f"the data set {part.name} knows no states of the hand; set it {off}")


def check_suite(config: FinetuneConfig) -> None:
    """Raises ConfigError where no part of a mixture tells how actions are meant in the suite that is evaluated."""
    names = [part.name for part in mixture_parts(config.dataset_name)]
    suite = config.eval_task_suite_name
    if config.enable_periodic_eval and made_for(suite, names) is None:
        raise ConfigError(
            f"--eval_task_suite_name {suite}: no part of the mixture {config.dataset_name} is called {suite} or "
            f"{suite}_no_noops; evaluate on the suite of a part, or set enable_periodic_eval false",
            "eval_task_suite_name",
            "dataset_name",
        )


def _is_there(config: FinetuneConfig, name: str) -> bool:
    return name in EMBEDDED_SUITES or (config.data_root_dir / name).is_dir()


def check_probe(config: FinetuneConfig) -> None:
    """Raises ConfigError for a probe set that is not there. Those of the embedded simulator are made on demand."""
    name, jsonl = config.probe_dataset_name, config.probe_jsonl
    if jsonl is not None:
        needs(config, "probe_jsonl", jsonl.is_file(), "no such file")
    elif name not in EMBEDDED_SUITES and not (config.probe_root_dir / name).is_dir():
        raise ConfigError(
            f"--probe_dataset_name {name}: no such folder in {config.probe_root_dir}; name a data set there, or a "
            "probe_jsonl, or set thermostat_mode off",
            "probe_dataset_name",
        )
