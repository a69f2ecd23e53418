"""What is a secret, and command lines that do not show any."""

import pytest
from vlad.policy.secrets import is_secret, redacted

KEY = "hf_" + "Ab1" * 11


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["train.py", "--hf_token", "abc", "--steps", "5"], ["train.py", "--hf_token", "***", "--steps", "5"]),
        (["train.py", "--wandb-api-key=abc"], ["train.py", "--wandb-api-key=***"]),
        (["env", "WANDB_API_KEY=abc", "train.py"], ["env", "WANDB_API_KEY=***", "train.py"]),
        (
            ["bash", "-c", "HF_TOKEN=abc exec train --password x y"],
            ["bash", "-c", "HF_TOKEN=*** exec train --password *** y"],
        ),
        (["bash", "-c", "export SECRET='a b' && go"], ["bash", "-c", "export SECRET=*** && go"]),
        (["curl", "https://me:word@host/x"], ["curl", "https://me:***@host/x"]),
        (["train.py", "--note", KEY], ["train.py", "--note", "***"]),
        (["train.py", "--token", "--steps", "5"], ["train.py", "--token", "--steps", "5"]),
        (["train.py", "--num_image_tokens", "256"], ["train.py", "--num_image_tokens", "256"]),
        (["train.py", "--tokenizer", "x", "--max_steps=5"], ["train.py", "--tokenizer", "x", "--max_steps=5"]),
        (
            ["torchrun", "--rdzv-endpoint", "http://host:29500/x"],
            ["torchrun", "--rdzv-endpoint", "http://host:29500/x"],
        ),
        ([], []),
    ],
)
def test_a_command_line_shows_no_secret_and_all_else(words: list[str], shown: list[str]) -> None:
    assert redacted(words) == shown


@pytest.mark.parametrize(
    ("name", "value", "is_one"),
    [
        ("HF_TOKEN", "x", True),
        ("WANDB_API_KEY", "x", True),
        ("MY_PASSWORD", "x", True),
        ("HTTPS_PROXY", "http://me:word@proxy:80", True),
        ("HTTPS_PROXY", "http://proxy:80", False),
        ("WANDB_NOTES", KEY, True),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("HF_ENDPOINT", "https://mirror", False),
    ],
)
def test_a_secret_is_known_by_its_name_or_its_shape(name: str, value: str, is_one: bool) -> None:
    assert is_secret(name, value) is is_one
