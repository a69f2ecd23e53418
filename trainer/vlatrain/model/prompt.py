"""Instructions to token ids, for training and for inference alike."""

import functools
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from vlatrain.errors import TrainerError
from vlatrain.model.openvla import IGNORED

PROMPT = "In: What action should the robot take to {instruction}?\nOut:"
SPACE_PIECE = "▁"  # id 29871 of the Llama vocabulary


class PromptTokenizer:
    """The prompt of OpenVLA over the tokenizer.json of a model folder.

    In the Llama vocabulary a space piece (29871) stands between "Out:" and the actions, as it did in the original
    training and as the original inference appends it. Vocabularies without that piece have nothing there.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = _read(folder / "tokenizer.json")
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.bos_token_id = self._id("<s>", folder)
        self.eos_token_id = self._id("</s>", folder)
        self.pad_token_id = self._id("<PAD>", folder)
        self._space_id: int | None = self._tokenizer.token_to_id(SPACE_PIECE)
        self._prompt_ids = functools.lru_cache(maxsize=4096)(self._encode)

    def training_ids(self, instruction: str, action_ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """Prompt, actions and end token; and labels, IGNORED over the prompt."""
        prompt, answer = self.inference_ids(instruction), [*map(int, action_ids), self.eos_token_id]
        return prompt + answer, [IGNORED] * len(prompt) + answer

    def inference_ids(self, instruction: str) -> list[int]:
        """The prompt up to where the first action token comes. Case and outer space of the instruction are dropped."""
        return list(self._prompt_ids(instruction))

    def spelt(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Any text as ids behind the first token, and for each id the characters [start, end) that it stands for."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [self.bos_token_id, *encoded.ids], [(0, 0), *encoded.offsets]

    def _encode(self, instruction: str) -> tuple[int, ...]:
        text = PROMPT.format(instruction=instruction.strip().lower())
        ids = [self.bos_token_id, *self._tokenizer.encode(text, add_special_tokens=False).ids]
        if self._space_id is not None and ids[-1] != self._space_id:
            ids.append(self._space_id)
        return tuple(ids)

    def _id(self, token: str, folder: Path) -> int:
        token_id: int | None = self._tokenizer.token_to_id(token)
        if token_id is None:
            raise TrainerError(f"{folder / 'tokenizer.json'}: no token {token!r}, so it is not an OpenVLA tokenizer")
        return token_id


def _read(path: Path) -> Tokenizer:
    if not path.is_file():
        raise TrainerError(f"{path}: no such file; the model folder must hold the tokenizer that belongs to it")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exception for every fault of the file
        raise TrainerError(f"{path}: is not a tokenizer: {error}") from error
