"""A Python that has a trainer, for tests: answers --print-config, and as torchrun prints what it was told.

What it is asked is appended to the file named by FAKE_TRAINER_ASKED.
"""

import json
import os
import sys
from pathlib import Path

CONFIG = {
    "dataset_name": {"value": "libero_spatial_no_noops", "origin": "my.yaml:1"},
    "run_id_note": {"value": "method", "origin": "my.yaml:2"},
    "cache_dir": {"value": "/project/cache", "origin": "default"},
    "resume_adapter_dir": {"value": "/adapters/500", "origin": "environment RESUME_ADAPTER"},
    "hsw_layer_ids": {"value": [-2, -1], "origin": "my.yaml:3"},
    "learning_rate": {"value": 2e-4, "origin": "profile 4090_1gpu"},
}


def main(words: list[str]) -> int:
    with Path(os.environ["FAKE_TRAINER_ASKED"]).open("a") as asked:
        asked.write(json.dumps(words) + "\n")
    if "--print-config" in words:
        config = dict(CONFIG)
        if device := os.environ.get("FAKE_TRAINER_DEVICE"):
            config["device"] = {"value": device, "origin": "default"}
        answer = {"config": config, "warnings": ["a warning"], "nproc": 3, "nproc_origin": "profile", "run_name": "x"}
        print(json.dumps({**answer, "notes": ["goes on from /adapters/500"]}))
    elif words[0] == "-c":
        print(json.dumps({"python": "3.11", "torch": "2.13.0"}))
    else:
        print(f"HF_HOME={os.environ['HF_HOME']} HF_TOKEN={os.environ.get('HF_TOKEN')}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
