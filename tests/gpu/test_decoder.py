"""The decoder at full width against transformers' Llama, and predictions against computing everything anew."""

import pytest
import torch
from torch import Tensor
from vlatrain.model.config import TextConfig
from vlatrain.model.llama import LlamaForCausalLM

transformers = pytest.importorskip("transformers")
LAYERS = 3
TEXT = TextConfig(num_hidden_layers=LAYERS)


@pytest.fixture(scope="module")
def ours() -> LlamaForCausalLM:
    with torch.device("cuda"):
        decoder = LlamaForCausalLM(TEXT)
        generator = torch.Generator("cuda").manual_seed(11)
        with torch.no_grad():
            for parameter in decoder.parameters():
                if parameter.dim() == 2:
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * parameter.shape[1] ** -0.5)
                else:
                    parameter.copy_(1 + torch.randn(parameter.shape, generator=generator) * 0.1)
    return decoder


def theirs_of(ours: LlamaForCausalLM, attention: str) -> torch.nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=TEXT.vocab_size,
        num_hidden_layers=LAYERS,
        rms_norm_eps=TEXT.rms_norm_eps,
        tie_word_embeddings=False,
        attn_implementation=attention,
    )
    with torch.device("cuda"):
        theirs: torch.nn.Module = transformers.LlamaForCausalLM(config)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return theirs.eval()


def logits(ours: LlamaForCausalLM, ids: Tensor) -> Tensor:
    return ours.logits(ours.model(ours.model.embed_tokens(ids)))


def relative(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).norm() / other.double().norm())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@torch.inference_mode()
def test_the_decoder_of_full_width_is_llama(ours: LlamaForCausalLM, attention: str) -> None:
    assert (TEXT.hidden_size, TEXT.intermediate_size, TEXT.num_attention_heads) == (4096, 11008, 32)
    ids = torch.randint(0, TEXT.vocab_size, (2, 290), device="cuda", generator=torch.Generator("cuda").manual_seed(1))
    assert relative(logits(ours, ids), theirs_of(ours, attention)(ids).logits) < 1e-5


def test_gradients_at_the_input_are_those_of_llama(ours: LlamaForCausalLM) -> None:
    theirs = theirs_of(ours, "sdpa")
    states = torch.randn(2, 64, TEXT.hidden_size, device="cuda", generator=torch.Generator("cuda").manual_seed(3))
    one, other = states.clone().requires_grad_(), states.clone().requires_grad_()
    torch.autograd.backward(ours.logits(ours.model(one)).float().logsumexp(-1).sum())
    torch.autograd.backward(theirs(inputs_embeds=other).logits.float().logsumexp(-1).sum())
    assert one.grad is not None
    assert other.grad is not None
    assert relative(one.grad, other.grad) < 1e-5
