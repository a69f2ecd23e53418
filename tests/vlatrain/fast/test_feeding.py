"""Batches on their way to the model, and the optimizer's state on its way to the disk."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from vlatrain.data.batches import IGNORED, Batch
from vlatrain.fast.feeding import ENDS_LOOKED_AT, TEXT_STEP, Feed, common_width, with_few_widths

CPU = torch.device("cpu")


def batch(number: int, length: int = 5) -> Batch:
    ids = torch.full((2, length), number)
    return Batch(torch.zeros(2, 4, 4, 3, dtype=torch.uint8), ids, ids.clone(), torch.tensor([length] * 2), np.arange(2))


def numbered(made: list[int]) -> Iterator[Batch]:
    for number in range(3):
        made.append(number)
        yield batch(number)


def test_batches_come_in_order_whether_or_not_one_looks_ahead() -> None:
    feed = Feed(numbered([]), lambda one: {"input_ids": one.input_ids}, CPU)
    seen = []
    for _ in range(3):
        seen.append(int(next(feed)["input_ids"][0, 0]))
        if len(seen) == 1:
            feed.look_ahead()
    assert seen == [0, 1, 2]


def test_looking_ahead_fetches_one_batch_and_no_more() -> None:
    made: list[int] = []
    feed = Feed(numbered(made), lambda one: {"input_ids": one.input_ids}, CPU)
    feed.look_ahead()
    feed.look_ahead()
    assert made == [0]


def test_the_end_of_the_batches_is_the_end() -> None:
    feed = Feed(iter([]), lambda one: {"input_ids": one.input_ids}, CPU)
    with pytest.raises(StopIteration):
        next(feed)


@pytest.mark.parametrize("length", [TEXT_STEP, TEXT_STEP + 1, TEXT_STEP + 2])
def test_texts_are_padded_to_whole_steps_with_nothing_to_learn(length: int) -> None:
    padded = with_few_widths(batch(7, length), pad_token_id=99)
    assert (padded.input_ids.shape[1] - 1) % TEXT_STEP == 0, "the last place is not read"
    assert padded.input_ids.shape[1] - length < TEXT_STEP
    assert (padded.input_ids[:, :length] == 7).all()
    assert (padded.input_ids[:, length:] == 99).all()
    assert (padded.labels[:, length:] == IGNORED).all()


def test_texts_up_to_the_common_width_get_it_and_longer_ones_whole_steps() -> None:
    widths = [with_few_widths(batch(7, length), 99, common=9).input_ids.shape[1] for length in (4, 8, 9, 10)]
    assert widths == [9, 9, 9, 11]


def words(count: int) -> str:
    return "a" * count


@pytest.mark.parametrize(
    ("lengths", "others", "common"),
    [
        ((34, 34), 256, 35),
        ((26, 42, 30), 256, 43),
        ((20, 80), 256, 0),
        ((20, 80), 448, 81),
        ((5,), 0, 5),
    ],
)
def test_texts_have_one_width_where_the_shortest_leaves_few_places_idle(
    lengths: tuple[int, ...], others: int, common: int
) -> None:
    assert common_width([words(length) for length in lengths], len, others) == common


def test_of_many_instructions_the_shortest_and_the_longest_are_looked_at() -> None:
    asked: list[int] = []

    def width_of(text: str) -> int:
        asked.append(len(text))
        return len(text)

    many = [words(30 + number % 5) for number in range(1000)]
    assert common_width([*many, words(28), words(45)], width_of, 256) == 45
    assert len(asked) <= 2 * ENDS_LOOKED_AT
