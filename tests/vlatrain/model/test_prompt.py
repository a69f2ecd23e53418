"""Instructions to token ids."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer, normalizers
from tokenizers.models import BPE
from vlatrain.errors import TrainerError
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.openvla import IGNORED
from vlatrain.model.prompt import PROMPT, PromptTokenizer
from vlatrain.model.word_tokenizer import build_word_tokenizer

INSTRUCTION = "put the red block in the green bowl"


@pytest.fixture
def words(tmp_path: Path) -> PromptTokenizer:
    build_word_tokenizer([INSTRUCTION]).save(str(tmp_path / "tokenizer.json"))
    return PromptTokenizer(tmp_path)


@pytest.fixture
def llama_like(tmp_path: Path) -> PromptTokenizer:
    """Single characters under Llama's treatment of spaces, with the space piece that its vocabulary has."""
    characters = sorted(set(PROMPT + INSTRUCTION) - {" "})
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<s>", "</s>", "▁", *characters, "<PAD>"])}
    tokenizer = Tokenizer(BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return PromptTokenizer(tmp_path)


def test_training_ids_are_the_prompt_the_actions_and_the_end(words: PromptTokenizer) -> None:
    actions = [40, 41, 42, 43, 44, 45, 46]
    ids, labels = words.training_ids(INSTRUCTION, actions)
    prompt = words.inference_ids(INSTRUCTION)
    assert ids == [*prompt, *actions, words.eos_token_id]
    assert labels == [IGNORED] * len(prompt) + [*actions, words.eos_token_id]


def test_the_prompt_starts_with_the_start_token_and_knows_every_word(words: PromptTokenizer) -> None:
    ids = words.inference_ids(INSTRUCTION)
    assert ids[0] == words.bos_token_id
    assert ids.count(words.bos_token_id) == 1
    assert 0 not in ids  # <unk>


def test_case_and_outer_space_of_an_instruction_do_not_matter(words: PromptTokenizer) -> None:
    assert words.inference_ids(f"  {INSTRUCTION.upper()} ") == words.inference_ids(INSTRUCTION)


def test_the_caller_may_change_what_it_got(words: PromptTokenizer) -> None:
    words.inference_ids(INSTRUCTION).clear()
    assert words.inference_ids(INSTRUCTION)


def test_the_llama_vocabulary_has_its_space_piece_before_the_actions(
    llama_like: PromptTokenizer, tmp_path: Path
) -> None:
    in_one_go = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = PROMPT.format(instruction=INSTRUCTION) + " "
    assert llama_like.inference_ids(INSTRUCTION) == [llama_like.bos_token_id, *in_one_go.encode(text).ids]
    assert llama_like.inference_ids(INSTRUCTION)[-1] == in_one_go.token_to_id("▁")


def test_other_vocabularies_have_nothing_between_prompt_and_actions(words: PromptTokenizer, tmp_path: Path) -> None:
    colon = Tokenizer.from_file(str(tmp_path / "tokenizer.json")).token_to_id(":")
    assert words.inference_ids(INSTRUCTION)[-1] == colon


def test_the_word_vocabulary_ends_with_the_actions_and_the_padding() -> None:
    tokenizer = build_word_tokenizer([INSTRUCTION])
    pad = tokenizer.token_to_id("<PAD>")
    assert pad == tokenizer.get_vocab_size() - 1
    actions = ActionTokenizer(256, pad)
    assert tokenizer.id_to_token(actions.first_id) == "<action0>"
    assert tokenizer.id_to_token(int(actions.encode(-1.0))) == "<action255>"


def test_the_order_of_instructions_does_not_change_the_vocabulary() -> None:
    assert (
        build_word_tokenizer(["open door", "close door"]).to_str()
        == build_word_tokenizer(["close door", "open door"]).to_str()
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{}", "is not a tokenizer"), (Tokenizer(BPE()).to_str(), "no token '<s>'")],
    ids=["missing", "foreign", "another vocabulary"],
)
def test_what_is_no_tokenizer_is_refused_by_name(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TrainerError, match=message):
        PromptTokenizer(tmp_path)
