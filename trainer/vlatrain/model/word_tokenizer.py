"""A vocabulary of whole words for tiny models, laid out like the published one: words, then actions, then padding."""

import re
from collections.abc import Iterable, Sequence

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from vlatrain.model.prompt import PROMPT

UNKNOWN = "<unk>"
SPECIAL = (UNKNOWN, "<s>", "</s>")


def build_word_tokenizer(
    instructions: Iterable[str], n_action_bins: int = 256, phrases: Sequence[str] = ()
) -> Tokenizer:
    """Every word of the prompt and of `instructions` gets an id; the last ids but <PAD> are the action tokens.

    `<PAD>` has the id that is `action_vocab_end` of the model's configuration. Each of `phrases`, parts of the prompt
    that never change, is one token: shorter rows.
    """
    text = " ".join([PROMPT.format(instruction=""), *(instruction.lower() for instruction in instructions)])
    words = sorted(set(re.findall(r"\w+|[^\w\s]+", text)))
    actions = [f"<action{index}>" for index in range(n_action_bins)]
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *phrases, *words, *actions, "<PAD>"])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_tokens([AddedToken(phrase, normalized=False) for phrase in phrases])
    return tokenizer


def padding_id(tokenizer: Tokenizer) -> int:
    """The id of <PAD>. Raises ValueError for a tokenizer without it."""
    found: int | None = tokenizer.token_to_id("<PAD>")
    if found is None:
        raise ValueError("the tokenizer has no <PAD>")
    return found
