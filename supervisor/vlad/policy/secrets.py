"""What is a secret, by its name or by its shape; secrets are neither written to a spec nor shown. Pure."""

import re
from collections.abc import Sequence

NAME = re.compile(r"TOKEN(?!I[SZ])|SECRET|PASSW|API[_-]?KEY|CREDENTIAL|PRIVATE[_-]?KEY", re.IGNORECASE)
"""A single token, that is: TOKENIZERS_PARALLELISM and num_image_tokens are none."""
PLURAL = re.compile(r"TOKENS\b", re.IGNORECASE)
ADDRESS = re.compile(r"(://[^/@\s:]*:)[^/@\s]*@")
SHAPES = re.compile(r"\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{20,}|AKIA[A-Z0-9]{16})\b")
VALUE = r"('[^']*'|\"[^\"]*\"|[^\s;&|]+)"
VARIABLE = re.compile(r"([A-Za-z_][\w.-]*)(=)" + VALUE)
OPTION = re.compile(r"(?<!\S)(--?[A-Za-z][\w.-]*)(\s+)(?!-)" + VALUE)
SHOWN = "***"


def is_secret_name(name: str) -> bool:
    """Of a variable, an option or a field."""
    return NAME.search(name) is not None and PLURAL.search(name) is None


def is_secret(name: str, value: str) -> bool:
    return is_secret_name(name) or redacted_text(value) != value


def redacted(words: Sequence[str]) -> list[str]:
    """A command line for people: what follows the name of a secret, or has the shape of one, is not shown."""
    shown = [redacted_text(_redacted_assignments(word)) for word in words]
    for number, word in enumerate(words[:-1]):
        if word.startswith("-") and "=" not in word and is_secret_name(word) and not words[number + 1].startswith("-"):
            shown[number + 1] = SHOWN
    return shown


def redacted_text(text: str) -> str:
    """Without the passwords of addresses, and without keys of a known shape."""
    return SHAPES.sub(SHOWN, ADDRESS.sub(rf"\1{SHOWN}@", text))


def _redacted_assignments(word: str) -> str:
    """`--hf-token=x`, `WANDB_API_KEY=x`, and both inside the script of a `bash -c`."""
    return OPTION.sub(_shown, VARIABLE.sub(_shown, word))


def _shown(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}{SHOWN}" if is_secret_name(match[1]) else match[0]
