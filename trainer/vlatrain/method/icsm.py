"""ICSM, the offline statistics of the frozen base: where its instruction states spread, and which directions matter.

Two passes over the probe set, both resumable after any batch: pooled states of every layer concerned, then for each
layer the sensitivity of every direction. The same settings, seed and machine give the same bits, interrupted or not.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlatrain.configuration.finetune import FinetuneConfig
from vlatrain.method.artifacts import META, load, save_layer, save_meta, save_whole
from vlatrain.method.layers import Groups, numbered
from vlatrain.method.probe import ProbeBatch, ProbeSet, hash_of, probe_batch
from vlatrain.method.sensitivity import Tail
from vlatrain.method.states import entering_state, instruction_states
from vlatrain.method.subspace import directions, split
from vlatrain.model.codec import Codec
from vlatrain.model.openvla import OpenVLA

UNFINISHED = "unfinished.pt"
SAVE_EVERY_S = 10.0

WITHOUT_SENSITIVITY = (
    "layer {layer}: no step of its states reaches the answer (behind the last layer no place looks at another), so all "
    "its directions are equally sensitive and are split by how far the states spread along them; icsm_states input "
    "measures where the gradient is changed instead"
)

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be computed, where it is written, and on what."""

    config: FinetuneConfig
    folder: Path
    vla: OpenVLA
    codec: Codec
    probe: ProbeSet
    device: torch.device
    dtype: torch.dtype

    @property
    def n_layers(self) -> int:
        return self.vla.config.text.num_hidden_layers

    @property
    def layers(self) -> tuple[int, ...]:
        asked = self.config.icsm_layer_ids
        return numbered(asked, self.n_layers, "icsm_layer_ids") if asked else Groups.of(self.n_layers).representatives

    @property
    def sensitivity_samples(self) -> int:
        return min(self.config.icsm_sensitivity_samples, len(self.probe))

    def batches(self, start: int, end: int) -> Iterator[ProbeBatch]:
        """Samples `start` to `end` - 1 of the probe set in batches."""
        size = self.config.icsm_batch_size
        for first in range(start, end, size):
            samples = [self.probe[place] for place in range(first, min(end, first + size))]
            yield probe_batch(samples, self.config.prompt_template, self.codec, self.device, self.dtype)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What is computed so far: pooled states [n, layers, D], and by layer the divergences [samples, r]."""

    states: Tensor
    divergences: Mapping[int, Tensor] = field(default_factory=dict)


def compute(job: Job, tell: Tell, warn: Tell) -> Path:
    """Computes what is missing and writes it; the folder. `tell` hears of every batch. Raises TrainerError."""
    job.folder.mkdir(parents=True, exist_ok=True)
    fingerprint = fingerprint_of(job)
    ledger = Ledger(job.folder / UNFINISHED, fingerprint)
    progress = ledger.read() or Progress(states=torch.empty(0, len(job.layers), job.vla.config.text.hidden_size))
    progress = _with_states(job, progress, ledger, tell)
    bases = [directions(progress.states[:, place], job.config.icsm_rank) for place in range(len(job.layers))]
    for layer, (basis, _) in zip(job.layers, bases, strict=True):
        progress = _with_divergences(job, progress, layer, basis.to(job.device), ledger, tell)
        if not progress.divergences[layer].any():
            warn(WITHOUT_SENSITIVITY.format(layer=layer))
    _write(job, progress, bases, fingerprint)
    ledger.path.unlink(missing_ok=True)
    return job.folder


def _write(job: Job, progress: Progress, bases: Sequence[tuple[Tensor, Tensor]], fingerprint: str) -> None:
    (job.folder / META).unlink(missing_ok=True)  # until all files are new, no reader shall mix old and new ones
    described = {}
    for place, (layer, (basis, spread)) in enumerate(zip(job.layers, bases, strict=True)):
        sensitivities = progress.divergences[layer].mean(0).cpu()
        space = split(basis, sensitivities, job.config.icsm_fragile_dim, job.config.icsm_plastic_dim)
        save_layer(job.folder, layer, space, progress.states[:, place])
        described[layer] = {
            "fragile": space.fragile.shape[1],
            "plastic": space.plastic.shape[1],
            "singular_values": spread.tolist(),
            "sensitivities": sensitivities.tolist(),
        }
    save_meta(job.folder, meta_of(job, fingerprint, described))


def _with_states(job: Job, progress: Progress, ledger: "Ledger", tell: Tell) -> Progress:
    total = len(job.probe)
    for batch in job.batches(len(progress.states), total):
        pooled = instruction_states(job.vla, batch, job.layers, job.config.icsm_states)
        progress = replace(progress, states=torch.cat((progress.states, pooled.cpu())))
        tell(bar(len(progress.states), total, "states"))
        ledger.keep(progress)
    return progress


def _with_divergences(
    job: Job, progress: Progress, layer: int, basis: Tensor, ledger: "Ledger", tell: Tell
) -> Progress:
    done = progress.divergences.get(layer, torch.empty(0, basis.shape[1], dtype=torch.float64))
    total = job.sensitivity_samples
    if len(done) >= total:
        return progress
    tail = Tail(job.vla, layer, job.config.icsm_states)
    for batch in job.batches(len(done), total):
        states = entering_state(job.vla, batch, tail.entry)
        found = tail.divergences(states, batch, basis, job.config.icsm_epsilon)
        done = torch.cat((done, found.cpu()))
        progress = replace(progress, divergences={**progress.divergences, layer: done})
        tell(bar(len(done), total, f"sensitivities of layer {layer}"))
        ledger.keep(progress)
    return progress


def bar(done: int, total: int, doing: str, width: int = 24) -> str:
    """A line such as `states 128/500 [######··················]`."""
    filled = width * done // total
    return f"{doing} {done}/{total} [{'#' * filled}{'·' * (width - filled)}]"


class Ledger:
    """Keeps unfinished work on the disk, every few seconds; work of other settings counts as none."""

    def __init__(self, path: Path, fingerprint: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._fingerprint = fingerprint
        self._clock = clock
        self._kept = clock()

    def read(self) -> Progress | None:
        if not self.path.is_file():
            return None
        saved = load(self.path)
        if saved["fingerprint"] != self._fingerprint:
            return None
        return Progress(states=saved["states"], divergences=saved["divergences"])

    def keep(self, progress: Progress) -> None:
        if self._clock() - self._kept >= SAVE_EVERY_S:
            content = {"states": progress.states, "divergences": dict(progress.divergences)}
            save_whole({"fingerprint": self._fingerprint, **content}, self.path)
            self._kept = self._clock()


def fingerprint_of(job: Job) -> str:
    """Changes with anything that the result depends on, weights included."""
    config = job.config
    settings = [
        [config.prompt_template, config.icsm_states, list(job.layers), config.icsm_rank, config.icsm_epsilon],
        [config.icsm_batch_size, job.sensitivity_samples, str(job.dtype), job.device.type],
        hash_of(job.probe[place].name for place in range(len(job.probe))),
        weights_hash(job.vla),
    ]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


def weights_hash(vla: OpenVLA) -> str:
    """Of the sums of all weights: cheap, and different for any other model."""
    with torch.no_grad():
        sums = torch.stack([parameter.sum(dtype=torch.float32) for parameter in vla.parameters()])
    return hashlib.sha256(sums.cpu().numpy().tobytes()).hexdigest()


def meta_of(job: Job, fingerprint: str, described: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The content of meta.json: first the original program's keys, then ours."""
    config, groups = job.config, Groups.of(job.n_layers)
    samples = [job.probe[place] for place in range(len(job.probe))]
    return {
        "vla_path": config.vla_path,
        "layer_ids": list(job.layers),
        "r": config.icsm_rank,
        "epsilon": config.icsm_epsilon,
        "probe_hash": hash_of(sample.instruction for sample in samples),
        "fragile_dim": config.icsm_fragile_dim,
        "plastic_dim": config.icsm_plastic_dim,
        "prompt_template": config.prompt_template,
        "group_mapping": {
            "group_a": list(groups.a),
            "group_b": list(groups.b),
            "rep_layers": [one for one in groups.representatives if one in job.layers] or list(job.layers),
            "requested_layers": list(job.layers),
        },
        "commit": f"vlatui {_version()}",
        "schema": 1,
        "states": str(config.icsm_states),
        "width": job.vla.config.text.hidden_size,
        "n_layers": job.n_layers,
        "probe_names_hash": hash_of(sample.name for sample in samples),
        "probe_samples": len(samples),
        "sensitivity_samples": job.sensitivity_samples,
        "fingerprint": fingerprint,
        "layers": {str(layer): dict(facts) for layer, facts in described.items()},
    }


def _version() -> str:
    try:
        return version("vlatui")
    except PackageNotFoundError:  # run from the sources
        return "unknown"
