"""Batches: what is in them, and that they are the same whoever makes them and when."""

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray
from vlatrain.data.batches import Batch, Batches
from vlatrain.data.order import indices_at
from vlatrain.data.rlds import Frame, RLDSDataset
from vlatrain.errors import TrainerError
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.prompt import PromptTokenizer

PAD = 99


class NumberedFrames:
    """Frame k is a picture of k; counts who is asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.threads: set[str] = set()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> Frame:
        self.threads.add(threading.current_thread().name)
        image = np.full((4, 4, 3), place, np.uint8)
        return Frame(image, "go " * (place % 3), np.full(7, place / 100, np.float32), 0, place)


class WordPrompts:
    """One token a word, then the actions; only actions are learned."""

    def training_ids(self, instruction: str, action_ids: list[int]) -> tuple[list[int], list[int]]:
        words = [1] * (1 + len(instruction.split()))
        return words + action_ids, [-100] * len(words) + action_ids


class PercentActions:
    """0.37 is token 37."""

    def encode(self, actions: ArrayLike) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.rint(np.asarray(actions) * 100).astype(np.int64)
        return found


def make_batches(count: int = 20, batch_size: int = 3, rank: int = 0, world_size: int = 1, workers: int = 0) -> Batches:
    return Batches(
        NumberedFrames(count),
        WordPrompts(),
        PercentActions(),
        pad_token_id=PAD,
        batch_size=batch_size,
        seed=7,
        rank=rank,
        world_size=world_size,
        num_workers=workers,
    )


def samples(batch: Batch) -> list[int]:
    return batch.images[:, 0, 0, 0].tolist()


def assert_same(one: Batch, other: Batch) -> None:
    for name, mine, theirs in zip(Batch._fields, one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs, err_msg=name)


def test_a_batch_holds_the_samples_of_its_positions_padded_on_the_right() -> None:
    batch = make_batches().at(6)
    expected = indices_at(7, 20, np.arange(6, 9)).tolist()
    assert samples(batch) == expected
    assert batch.positions.tolist() == [6, 7, 8]
    width = max(1 + place % 3 for place in expected) + 7
    for row, place in enumerate(expected):
        words = 1 + place % 3
        padding = width - words - 7
        assert batch.input_ids[row].tolist() == [1] * words + [place] * 7 + [PAD] * padding
        assert batch.labels[row].tolist() == [-100] * words + [place] * 7 + [-100] * padding
        assert batch.lengths[row] == words + 7
    assert batch.images.dtype == torch.uint8
    assert batch.input_ids.dtype == batch.labels.dtype == batch.lengths.dtype == torch.int64


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("start", [0, 9])
def test_a_stream_is_the_batches_of_its_positions_with_and_without_workers(workers: int, start: int) -> None:
    reference = make_batches(rank=1, world_size=2)
    batches = make_batches(rank=1, world_size=2, workers=workers)
    stream = batches.stream(start)
    for number, batch in enumerate(itertools.islice(stream, 12)):  # across several epochs
        assert_same(batch, reference.at(start + number * 6))
    stream.close()


def test_workers_prepare_ahead_and_end_with_their_stream() -> None:
    frames = NumberedFrames(20)
    batches = Batches(frames, WordPrompts(), PercentActions(), pad_token_id=PAD, batch_size=2, seed=1, num_workers=2)
    stream = batches.stream(0)
    next(stream)
    stream.close()
    assert frames.threads
    assert all(name.startswith("batches") for name in frames.threads)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_error_of_a_worker_reaches_the_reader() -> None:
    class BrokenFrames(NumberedFrames):
        def __getitem__(self, place: int) -> Frame:
            raise TrainerError("shard: at byte 7: corrupt image")

    batches = Batches(
        BrokenFrames(5), WordPrompts(), PercentActions(), pad_token_id=PAD, batch_size=2, seed=1, num_workers=2
    )
    with pytest.raises(TrainerError, match="at byte 7"):
        next(batches.stream(0))


def test_pictures_of_unequal_size_are_brought_to_one_or_refused() -> None:
    class UnequalFrames(NumberedFrames):
        def __getitem__(self, place: int) -> Frame:
            return super().__getitem__(place)._replace(image=np.zeros((4 + place % 2, 4, 3), np.uint8))

    parts = UnequalFrames(5), WordPrompts(), PercentActions()
    with pytest.raises(TrainerError, match=r"pictures of several sizes in one batch: \(4, 4, 3\), \(5, 4, 3\)"):
        Batches(*parts, pad_token_id=PAD, batch_size=5, seed=1).at(0)
    batch = Batches(*parts, pad_token_id=PAD, batch_size=5, seed=1, image_size=8).at(0)
    assert batch.images.shape == (5, 8, 8, 3)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_together_take_what_one_rank_would(ranks: int) -> None:
    together: list[int] = []
    for step in range(5):
        parts = [
            samples(make_batches(batch_size=8 // ranks, rank=rank, world_size=ranks).at(step * 8))
            for rank in range(ranks)
        ]
        together += [sample for row in zip(*parts, strict=True) for sample in row]
    assert together == indices_at(7, 20, np.arange(40)).tolist()


def test_a_real_set_with_the_real_tokenizers(make_set: Callable[..., Path], tiny_folder: Path) -> None:
    dataset, prompts = RLDSDataset(make_set(6, 7)), PromptTokenizer(tiny_folder)
    actions = ActionTokenizer(vocab=500)
    batches = Batches(dataset, prompts, actions, pad_token_id=prompts.pad_token_id, batch_size=4, seed=3, num_workers=2)
    stream = batches.stream(0)
    batch = next(stream)
    stream.close()
    for row, place in enumerate(indices_at(3, len(dataset), np.arange(4))):
        frame = dataset[int(place)]
        length = int(batch.lengths[row])
        learned = batch.labels[row][batch.labels[row] != -100]
        np.testing.assert_array_equal(batch.images[row], frame.image)
        assert learned.tolist() == [*actions.encode(frame.action).tolist(), prompts.eos_token_id]
        assert (
            batch.input_ids[row, :length].tolist()
            == prompts.training_ids(frame.instruction, actions.encode(frame.action).tolist())[0]
        )
    assert_same(batch.to(torch.device("cpu")), batch)


class SensingFrames(NumberedFrames):
    """Also a wrist picture of k + 100, and a state of k."""

    def __getitem__(self, place: int) -> Frame:
        wrist, state = np.full((2, 2, 3), place + 100, np.uint8), np.full(8, place, np.float32)
        return super().__getitem__(place)._replace(wrist=wrist, state=state)


def test_wrist_pictures_and_states_come_along_where_they_are_inputs() -> None:
    batches = Batches(
        SensingFrames(20), WordPrompts(), PercentActions(), pad_token_id=PAD, batch_size=3, seed=7, image_size=4
    )
    batch = batches.at(0).to(torch.device("cpu"))
    assert batch.wrists is not None
    assert batch.states is not None
    assert batch.wrists[:, 0, 0, 0].tolist() == [number + 100 for number in samples(batch)]
    assert batch.states[:, 7].tolist() == samples(batch)
    plain = make_batches().at(0)
    assert (plain.wrists, plain.states) == (None, None)


class EndedPrompts(WordPrompts):
    """With an end token."""

    def training_ids(self, instruction: str, action_ids: list[int]) -> tuple[list[int], list[int]]:
        ids, labels = super().training_ids(instruction, action_ids)
        return [*ids, 2], [*labels, 2]


def chunks_of(make_set: Callable[..., Path], chunk: int) -> tuple[RLDSDataset, Batches]:
    dataset = RLDSDataset(make_set(6, 4, shards=1), chunk=chunk)
    batches = Batches(
        dataset, EndedPrompts(), PercentActions(), pad_token_id=PAD, batch_size=10, seed=3, chunk=chunk, num_workers=0
    )
    return dataset, batches


def test_a_chunk_is_the_actions_of_the_next_frames_and_ends_with_the_episode(make_set: Callable[..., Path]) -> None:
    dataset, batches = chunks_of(make_set, 3)
    places, positions = batches.places_at(0)
    batch = batches.gathered(places, positions)
    for row, place in enumerate(places.tolist()):
        first = dataset[place]
        same = [one for one in range(place, min(place + 3, 10)) if dataset[one].episode == first.episode]
        told = [int(token) for one in same for token in PercentActions().encode(dataset[one].action)]
        text = batch.input_ids[row, : int(batch.lengths[row])]
        labels = batch.labels[row, : int(batch.lengths[row])]
        begin = len(text) - 22
        assert labels[begin : begin + len(told)].tolist() == told
        assert labels[begin + len(told) : -1].tolist() == [-100] * (21 - len(told))
        assert text[begin:-1].tolist() == [*told, *told[-7:] * (3 - len(same))]
        assert int(labels[-1]) == 2
        assert not labels[:begin].ne(-100).any()


def test_a_chunk_of_one_is_what_there_was_before(make_set: Callable[..., Path], tmp_path: Path) -> None:
    dataset, batches = chunks_of(make_set, 1)
    assert dataset[0].following is None
    plain = Batches(dataset, EndedPrompts(), PercentActions(), pad_token_id=PAD, batch_size=10, seed=3)
    assert_same(batches.at(0), plain.at(0))


def test_a_chunk_stays_within_its_split(make_set: Callable[..., Path]) -> None:
    folder = make_set(*[4] * 20, shards=1)
    whole, part = RLDSDataset(folder, chunk=3), RLDSDataset(folder, split="train[:95%]", chunk=3)
    following = part[len(part) - 1].following
    assert following is not None
    assert len(following) == 0
    assert [len(one) for place in range(4) if (one := whole[place].following) is not None] == [2, 2, 1, 0]
