"""What `--gpus` means, with and without CUDA_VISIBLE_DEVICES."""

import pytest
from vlad.policy.allocate import GpuUse
from vlad.policy.gpu_choice import AskedGpus, BadGpus, asked_gpus, chosen_gpus

HOST = [GpuUse(uuid=f"GPU-{letter}{letter}", index=index) for index, letter in enumerate("abcd")]
LOST = GpuUse(uuid="", index=4, taken="out of order")

FORMS = {
    "a number": ("2", AskedGpus(2)),
    "auto": ("auto", AskedGpus(None)),
    "none": ("none", None),
    "a list": ("0,2", AskedGpus(2, ("0", "2"))),
    "a list of one": ("0,", AskedGpus(1, ("0",))),
    "a UUID": ("GPU-aa", AskedGpus(1, ("GPU-aa",))),
    "UUIDs": ("GPU-aa, GPU-b", AskedGpus(2, ("GPU-aa", "GPU-b"))),
}


@pytest.mark.parametrize(("text", "asked"), FORMS.values(), ids=FORMS.keys())
def test_forms(text: str, asked: AskedGpus | None) -> None:
    assert asked_gpus(text) == asked


@pytest.mark.parametrize("text", ["0", "-1", "", ",", "two", "0,0", "0,x", "1.5", "²"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(BadGpus, match="--gpus"):
        asked_gpus(text)


CHOICES = {
    "any": ("2", None, 1, (2, ())),
    "one a process": ("auto", None, 3, (3, ())),
    "these": ("0,2", None, 1, (2, ("GPU-aa", "GPU-cc"))),
    "the beginning of a UUID is enough": ("GPU-b", None, 1, (1, ("GPU-bb",))),
    "among the visible": ("1", "2,3", 1, (1, ("GPU-cc", "GPU-dd"))),
    "visible by UUID": ("auto", "GPU-dd", 1, (1, ("GPU-dd",))),
    "CUDA stops at the first that is none": ("1", "1,-1,0", 1, (1, ("GPU-bb",))),
    "a list stands above the visible": ("0,", "2,3", 1, (1, ("GPU-aa",))),
}


@pytest.mark.parametrize(("text", "visible", "processes", "chosen"), CHOICES.values(), ids=CHOICES.keys())
def test_choices(text: str, visible: str | None, processes: int, chosen: tuple[int, tuple[str, ...]]) -> None:
    asked = asked_gpus(text)
    assert asked is not None
    assert chosen_gpus(asked, visible, processes, HOST) == chosen


REFUSALS = {
    "more than there are": ("5", None, "this host has 4"),
    "more than are visible": ("2", "3", "CUDA_VISIBLE_DEVICES=3 leaves 1"),
    "none is visible": ("auto", "", "leaves 0"),
    "no such index": ("7,", None, "no GPU 7 on this host; there: 0, 1, 2, 3"),
    "no such UUID": ("GPU-x", None, "no GPU GPU-x"),
    "ambiguous": ("GPU-", None, "no GPU GPU-"),
    "a lost card": ("4,", None, "no GPU 4"),
}


@pytest.mark.parametrize(("text", "visible", "told"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_the_host_does_not_have_is_refused(text: str, visible: str | None, told: str) -> None:
    asked = asked_gpus(text)
    assert asked is not None
    with pytest.raises(BadGpus, match=told):
        chosen_gpus(asked, visible, 1, [*HOST, LOST] if "lost" in told or text == "4," else HOST)
