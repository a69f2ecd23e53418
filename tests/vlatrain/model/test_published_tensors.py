"""Our model against the committed list of the published one's tensors (made from timm and transformers)."""

import torch
from tensor_list import parameters, published_tensors
from vlatrain.model.openvla import OpenVLA, OpenVLAConfig


def test_the_list_is_of_the_published_size() -> None:
    assert len(published_tensors()) == 982
    assert parameters() == 7_541_237_184
    assert {dtype for dtype, _ in published_tensors().values()} == {"BF16"}


def test_our_7b_has_exactly_the_published_names_and_shapes() -> None:
    with torch.device("meta"):
        ours = OpenVLA(OpenVLAConfig()).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in ours.items()} == {
        name: shape for name, (_, shape) in published_tensors().items()
    }
