"""A rank of a sharded tiny model whose memory runs out in the middle of predictions: writes what it was answered.

    torchrun --nproc-per-node 2 sharded_predictions.py BASE OUT        each rank writes OUT/RANK.json

Rank 1 has room for two rows only, and notices it in the second decoder layer while the second token is computed.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from vlatrain.distributed import joined
from vlatrain.evaluate.evaluation import Shrinking
from vlatrain.evaluate.together import Together
from vlatrain.evaluate.venue import Observation
from vlatrain.model.checkpoint_files import load_base
from vlatrain.model.openvla import OpenVLA
from vlatrain.train.sharding import Gathers, shard

ROOM = 2
BATCHES = {0: [3, 1, 4], 1: [4, 2]}


class Policy:
    """The model asked about pictures that are told by the first value of each observation."""

    def __init__(self, vla: OpenVLA) -> None:
        self.vla = vla

    def __call__(self, observations: Any, _: Any) -> Any:
        size = self.vla.config.image_size
        rows = [torch.Generator().manual_seed(int(one.image.flat[0])) for one in observations]
        pixels = torch.stack([torch.randn(6, size, size, generator=row) for row in rows])
        ids = torch.tensor([[1, 5, 6, 7]]).expand(len(rows), -1)
        return self.vla.predict(pixels, ids, torch.full((len(rows),), 4)).numpy().astype(np.float64)


def observations(batch: int, rows: int) -> list[Observation]:
    return [Observation(np.full((1, 1, 3), 10 * batch + row, np.uint8)) for row in range(rows)]


def runs_out(block: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """A hook of a layer: as the allocator would speak."""
    if inputs[0].shape[1] == 1 and inputs[0].shape[0] > ROOM:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def main() -> None:
    base, answers_in = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    with joined(uses_cuda=False) as ranks:
        vla = load_base(base, "cpu", torch.float32, is_mapped=True).eval().requires_grad_(False)
        expected = Policy(load_base(base, "cpu", torch.float32))
        shard(vla, ranks, torch.device("cpu"))
        if ranks.rank == 1:
            vla.language_model.model.layers[1].register_forward_pre_hook(runs_out)
        together = Together(Policy(vla), ranks, (observations(0, 1), ["x"]), Gathers(vla).predicted)
        shrinking = Shrinking(together, 4)
        told = []
        with together:
            for number, rows in enumerate(BATCHES[ranks.rank]):
                asked = observations(ranks.rank + number, rows)
                answers = np.array(shrinking(asked, ["x"] * rows))
                told.append(bool(np.array_equal(answers, expected(asked, None))))
        (answers_in / f"{ranks.rank}.json").write_text(json.dumps({"right": told, "remark": shrinking.remark}))


if __name__ == "__main__":
    main()
