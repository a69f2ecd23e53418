"""`python -m vlatrain.tools icsm CONFIG --field value …`: computes the offline statistics of a configuration."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import torch

from vlatrain.configuration.arguments import parse_arguments
from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.configuration.places import artifact_folder, base_model_folder, hub_caches
from vlatrain.configuration.preflight import check_room
from vlatrain.configuration.resolve import resolve
from vlatrain.method.icsm import Job, compute
from vlatrain.method.probe import ProbeSet, open_probe
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.codec import Codec
from vlatrain.model.hub import find_base
from vlatrain.ticker import Ticker, gigabytes
from vlatrain.train.devices import chosen_device
from vlatrain.train.learner import compute_dtype


def compute_statistics(words: Sequence[str], environ: Mapping[str, str], stream: TextIO | None = None) -> Path:
    """The folder of the statistics, made or completed; progress goes to `stream` (stderr). Raises TrainerError."""
    arguments = parse_arguments(words)
    config = resolve(arguments.config_file, arguments.overrides, environ).config
    folder = artifact_folder(config)
    check_room("icms_artifact_dir", folder)
    stream = stream or sys.stderr
    tell = Ticker(stream)

    def warn(message: str) -> None:
        tell.end()
        print(f"warning: {message}", file=stream, flush=True)

    probe = open_probe(config)
    if probe.warning:
        warn(probe.warning)
    if len(probe) < config.probe_samples:
        warn(f"the probe set has {len(probe)} samples, not the {config.probe_samples} of probe_samples")
    os.environ.setdefault("HF_HUB_CACHE", str(hub_caches(config, environ)[0]))
    with tell:
        compute(_job(config, folder, probe, environ, tell), tell, warn)
    return folder


def _job(config: FinetuneConfig, folder: Path, probe: ProbeSet, environ: Mapping[str, str], tell: Ticker) -> Job:
    base = base_model_folder(config, environ) or find_base(config.vla_path)
    device = torch.device(chosen_device(config.device))
    dtype = compute_dtype(config.precision, device)
    vla = load_base(base, device, dtype, lambda done, total: tell(gigabytes(done, total, "loading")))
    return Job(
        config=config,
        folder=folder,
        vla=vla.eval(),
        codec=Codec.from_folder(base),
        probe=probe,
        device=device,
        dtype=dtype,
    )
