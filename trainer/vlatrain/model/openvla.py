"""OpenVLA in plain torch: two vision towers, a projector and a Llama decoder, under the published names."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlatrain.configuration.memory import Checkpointing
from vlatrain.model.action_tokens import ActionTokenizer
from vlatrain.model.config import N_ACTIONS, OpenVLAConfig
from vlatrain.model.llama import LlamaForCausalLM
from vlatrain.model.vit import VisionTransformer

__all__ = ["IGNORED", "ActionLogits", "ActionMetrics", "OpenVLA", "OpenVLAConfig"]

IGNORED = -100  # the label of a place that no loss looks at


class ActionMetrics(NamedTuple):
    """Scalars on the model's device; reading them is the caller's moment to wait."""

    action_accuracy: Tensor
    l1_loss: Tensor


class ActionLogits(NamedTuple):
    """Logits at the places that predict the action tokens, 7 an action, and the end token: [B, N, V]; targets [B, N].

    Targets of actions behind an episode's end are IGNORED; the first action has all of its own. `patches` is what the
    decoder gets between BOS and the text, [B, n_patches, hidden_size]; `proprio_loss` is there where the hand's state
    was foretold from it.
    """

    logits: Tensor
    targets: Tensor
    patches: Tensor | None = None
    proprio_loss: Tensor | None = None

    def loss(self, actions: ActionTokenizer | None = None, soft_bins: float = 0.0) -> Tensor:
        """Mean cross-entropy in fp32; with `soft_bins` each action's target is a bell of that sd over its bins."""
        if actions is None or not soft_bins:
            return F.cross_entropy(self.logits.float().flatten(0, 1), self.targets.flatten(), ignore_index=IGNORED)
        end = F.cross_entropy(self.logits[:, -1].float(), self.targets[:, -1])
        return (self._soft_loss(actions, soft_bins) * (self.targets.shape[1] - 1) + end) / self.targets.shape[1]

    def _soft_loss(self, actions: ActionTokenizer, soft_bins: float) -> Tensor:
        """Mean over the action tokens of the cross-entropy with their bells."""
        ids = torch.arange(actions.first_id, actions.vocab, device=self.targets.device)
        distances = (ids - self.targets[:, :-1, None]).float()
        bells = torch.softmax(-0.5 * (distances / soft_bins) ** 2, dim=-1)
        told = torch.log_softmax(self.logits[:, :-1].float(), dim=-1)[..., actions.first_id : actions.vocab]
        losses, is_known = -(bells * told).sum(-1), self.targets[:, :-1] != IGNORED
        return torch.where(is_known, losses, 0).sum() / is_known.sum()

    def metrics(self, actions: ActionTokenizer) -> ActionMetrics:
        """Share of action tokens met, and mean absolute error in normalised units: of the first action, so that
        chunks of any length compare.
        """
        targets = self.targets[:, :N_ACTIONS]
        best = self.logits[:, :N_ACTIONS].detach().argmax(-1)
        error = (actions.decode_tensor(best) - actions.decode_tensor(targets)).abs()
        return ActionMetrics((best == targets).float().mean(), error.mean())


class VisionBackbone(nn.Module):
    """Both towers over each picture, features joined on channels."""

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.featurizer = VisionTransformer(config.featurizer)
        self.fused_featurizer = VisionTransformer(config.fused_featurizer)
        self.side_stream: torch.cuda.Stream | None = None  # where the first tower works while the second does

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[B, 6 a picture, H, W] (3 channels a tower) to [B, N a picture, both widths]."""
        first, second = pixel_values.reshape(-1, 6, *pixel_values.shape[2:]).chunk(2, dim=1)
        patches = torch.cat(self._seen(first, second), dim=2)
        return patches.reshape(len(pixel_values), -1, patches.shape[2])

    def _seen(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """What each tower makes of its channels; at the same time, where there is a stream for it."""
        if self.side_stream is None:
            return self.featurizer(first), self.fused_featurizer(second)
        here = torch.cuda.current_stream()
        self.side_stream.wait_stream(here)
        with torch.cuda.stream(self.side_stream):
            features = self.featurizer(first)
        others = self.fused_featurizer(second)
        here.wait_stream(self.side_stream)
        return features, others


class Projector(nn.Module):
    """Patch features into the decoder's embedding space."""

    def __init__(self, vision_width: int, hidden_size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(vision_width, 4 * vision_width)
        self.fc2 = nn.Linear(4 * vision_width, hidden_size)
        self.fc3 = nn.Linear(hidden_size, hidden_size)

    def forward(self, patches: Tensor) -> Tensor:
        out: Tensor = self.fc3(F.gelu(self.fc2(F.gelu(self.fc1(patches)))))
        return out


class StateProjector(nn.Module):
    """The hand's state into one embedding of the decoder, under OpenVLA-OFT's names."""

    def __init__(self, state_size: int, hidden_size: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(state_size, hidden_size)
        self.fc2 = nn.Linear(hidden_size, hidden_size)

    def forward(self, states: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(states)))
        return out


class OpenVLA(nn.Module):
    """The model. Rows are BOS, the patches of the pictures, the hand's state where it is seen, the rest of the text;
    text is padded on the right.

    Because the decoder is causal, padding on the right never reaches a place that counts, and no mask is needed.
    """

    def __init__(self, config: OpenVLAConfig) -> None:
        super().__init__()
        self.config = config
        self.name_or_path = ""  # the folder of the weights; PEFT writes it into adapter_config.json
        self.casts_itself = False  # whether all layers take inputs of the frozen weights' type, without autocast
        self.vision_backbone = VisionBackbone(config)
        vision_width = config.featurizer.width + config.fused_featurizer.width
        self.projector = Projector(vision_width, config.text.hidden_size)
        self.language_model = LlamaForCausalLM(config.text)
        has_states = config.state_size > 0
        self.proprio_projector = StateProjector(config.state_size, config.text.hidden_size) if has_states else None

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, labels: Tensor, states: Tensor | None = None
    ) -> ActionLogits:
        """Logits at the action places only.

        pixel_values [B, 6 a picture, H, W]; input_ids and labels [B, T], padded on the right; states [B, state_size]
        where the model sees them. A row's answer begins with its first label that is not IGNORED: 7 tokens an action
        of the chunk, and the end token. The last place of the texts is not read: it holds an end token or padding, and
        nothing comes behind it.
        """
        places = _action_places(labels, self.config.action_dim * self.config.chunk + 1)
        before = places + self.config.n_patches - 1
        embedded = self.embed(pixel_values, input_ids[:, :-1], states)
        hidden = self.language_model.model(embedded, wanted=before)
        patches = embedded[:, 1 : 1 + self.config.n_patches]
        return ActionLogits(self.language_model.logits(hidden), labels.gather(1, places), patches)

    def embed(self, pixel_values: Tensor, input_ids: Tensor, states: Tensor | None = None) -> Tensor:
        """BOS, patches, state, text: [B, T + n_patches, hidden_size]."""
        seen = self.projector(self.vision_backbone(pixel_values))
        if self.proprio_projector is not None:
            assert states is not None, "this model sees the hand's state"
            seen = torch.cat((seen, self.proprio_projector(states.to(seen.dtype)).unsqueeze(1)), dim=1)
        text = self.language_model.model.embed_tokens(input_ids)
        return torch.cat((text[:, :1], seen, text[:, 1:]), dim=1)

    def recompute(self, level: Checkpointing) -> None:
        """Sets what the backward pass computes again: the decoder's blocks (blocks), the towers' too (full)."""
        self.language_model.model.recomputed = level is not Checkpointing.NONE
        for tower in (self.vision_backbone.featurizer, self.vision_backbone.fused_featurizer):
            tower.recomputed = level is Checkpointing.FULL

    @torch.inference_mode()
    def predict(
        self,
        pixel_values: Tensor,
        input_ids: Tensor,
        lengths: Tensor,
        states: Tensor | None = None,
        *,
        actions: int = 1,
    ) -> Tensor:
        """The most likely tokens of the next `actions` actions, [B, 7 an action], chosen one after the other.

        pixel_values and states as in training; input_ids [B, T] prompts padded on the right; lengths [B] without
        padding. Pictures and prompt are read once, then tokens follow through a cache, each row at its own places.
        """
        n_steps = self.config.action_dim * actions
        embeddings = self.embed(pixel_values, input_ids, states)
        n_places = embeddings.shape[1] + n_steps - 1
        caches = self.language_model.empty_caches(len(embeddings), n_places, embeddings)
        ends = lengths + self.config.n_patches
        tokens = [self._best(self.language_model.model(embeddings, caches, wanted=ends[:, None] - 1))]
        for step in range(n_steps - 1):
            embedded = self.language_model.model.embed_tokens(tokens[-1])
            tokens.append(self._best(self.language_model.model(embedded, caches, ends + step)))
        return torch.cat(tokens, dim=1)

    def _best(self, hidden: Tensor) -> Tensor:
        return self.language_model.logits(hidden).argmax(-1)


def _action_places(labels: Tensor, count: int) -> Tensor:
    """Index of the `count` labelled places of each row, [B, count], found without waiting for the device."""
    first = (labels != IGNORED).to(torch.uint8).argmax(1, keepdim=True)
    return first + torch.arange(count, device=labels.device)
