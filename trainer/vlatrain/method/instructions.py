"""Prompts of the probe, and which of their tokens are the instruction: told by the tokenizer's own offsets."""

from typing import NamedTuple

from vlatrain.errors import TrainerError
from vlatrain.model.prompt import PromptTokenizer

SLOT = "{instruction}"
QUESTION = "What action should the robot take to {task}?"
"""What the instruction of a data set becomes before it enters the template; one of a JSONL probe enters as it is."""


class ProbePrompt(NamedTuple):
    """Token ids, and the places `first` to `end` - 1 of the instruction among them."""

    ids: list[int]
    first: int
    end: int


def question(task: str) -> str:
    """A data set's instruction as the model is asked."""
    return QUESTION.format(task=task.strip().lower())


def probe_prompt(prompts: PromptTokenizer, template: str, instruction: str) -> ProbePrompt:
    """The template with the instruction in it, as tokens.

    A token belongs to the instruction where it stands for any character of it or of the white space behind it, as the
    original program has it: in the published prompt that is everything between "In:" and "Out:". Raises TrainerError
    for an instruction without a token.
    """
    before, _, after = template.partition(SLOT)
    text = before + instruction + after
    start, end = len(before), len(text) - len(after.lstrip())
    ids, spans = prompts.spelt(text)
    places = [place for place, (low, high) in enumerate(spans) if low < high and low < end and high > start]
    if not places:
        raise TrainerError(f"prompt_template {template!r}: the instruction {instruction!r} has no tokens in it")
    return ProbePrompt(ids, places[0], places[-1] + 1)
