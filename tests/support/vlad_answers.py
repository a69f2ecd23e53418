"""What vlad answers when it is asked about a form before it is started."""

import json

from vlatui.sites.vlad import Answer

RESOLVED = Answer(
    True,
    "",
    json.dumps(
        {
            "config": {"learning_rate": {"value": 0.0005, "origin": "demo.yaml:12"}},
            "run_name": "spatial+b16",
            "nproc": 1,
            "warnings": ["min_delta is below the resolution"],
            "paths": {"adapters": "/nowhere/adapter-tmp/spatial+b16"},
        }
    ),
)

START_WORDS = Answer(
    True,
    "",
    json.dumps(
        {
            "options": [
                {"flags": ["--gpus"], "takes": "anything", "help": "wait for GPUs", "values": ["auto", "none"]},
                {"flags": ["--config"], "takes": "file", "help": "YAML"},
                {"flags": ["--set"], "takes": "anything", "help": "set one field"},
            ],
            "figures": ["NPROC", "TARGET_STEPS", "SAVE_STEPS", "EVAL_EVERY", "PATIENCE"],
            "configs": ["configs/demo.yaml", "configs/libero.yaml"],
            "profiles": ["4090_1gpu"],
            "runs": ["last"],
        }
    ),
)


def foretold(total_bytes: int, *, fits: bool, remedies: list[object] | None = None) -> Answer:
    """The plan for one card of 25.7 GB."""
    plan = {"card": "4090", "nproc": 1, "memory_bytes": 25_700_000_000, "total_bytes": total_bytes, "fits": fits}
    more = {"step_s": 1.5, "remedies": remedies or [], "assumed": None}
    return Answer(fits, "", json.dumps({**plan, **more}))
