"""What a way of conditioning is: a part of the model, and perhaps a part of each block.

A way is a module of this package with two classes, named in `pvtt.models.conditioning.parts`. The model builds those of
its configuration's `conditioning` list, under `parts.<name>` and `blocks.*.parts.<name>`. All of them start without
effect, so that a new model's output equals its base's, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from pvtt.models.vae import TEMPORAL_FACTOR

if TYPE_CHECKING:
    from pvtt.models.conditioning.conditions import Conditions

State = tuple[Tensor, ...]  # a part's own, handed from block to block; a NamedTuple


@dataclass(frozen=True)
class PartConfig:
    """What the parts are built from; the model's configuration has the same names.

    Args:
        dim: Width D of the transformer.
        patch_size: Latents a patch, (time, height, width).
        latent_channels: C.
        eps: What keeps norms from dividing by zero.
        max_views: Views with an embedding of their own; later ones share the last.
        product_dim: Width Dp of the image tokens that `product_tokens` reads.
        tokens_per_view: Number L of them a photo.
        num_product_tokens: Number K of tokens that they become.
        encoder_layers: Layers of their encoder.
        product_heads: Attention heads of the encoder and of the cross-attention to its tokens.
        dino_dim: Width Dd of DINOv2's tokens, which `dual_encoder` reads beside the image tokens.
        dino_tokens_per_view: Number M of them a photo.
        num_layers: Of the transformer's blocks.
        num_heads, ffn_dim, qk_norm, cross_attn_norm: As the transformer's blocks have them.
        context_layers: The blocks after which `context_blocks` are added; empty: every second one.
        prepends_references: `context_blocks` have the photos as frames of the generated video too, as VACE has.
    """

    dim: int
    patch_size: tuple[int, int, int]
    latent_channels: int
    eps: float
    max_views: int
    product_dim: int
    tokens_per_view: int
    num_product_tokens: int
    encoder_layers: int
    product_heads: int
    dino_dim: int
    dino_tokens_per_view: int
    num_layers: int
    num_heads: int
    ffn_dim: int
    qk_norm: str
    cross_attn_norm: bool
    context_layers: tuple[int, ...]
    prepends_references: bool


class Prepended(NamedTuple):
    """Latent frames that a part puts before the video's first; the output's are cut off.

    Attributes:
        latents: Noised to the step's level, (B, C, R, h, w).
        present: True where there is one, (B, R).
    """

    latents: Tensor
    present: Tensor


class Embedded(NamedTuple):
    """What the first block is given.

    Attributes:
        patches: Of the video and of what is put before it, (B, P, D).
        rotary_emb: Cosines and sines of their positions.
        modulation: By time, (B, 6, D).
        text: (B, T, D).
        key_mask: True where a patch may be attended to, (B, 1, 1, P); None: everywhere.
    """

    patches: Tensor
    rotary_emb: tuple[Tensor, Tensor]
    modulation: Tensor
    text: Tensor
    key_mask: Tensor | None


class ModelPart(nn.Module):
    """A part's half in the model.

    Attributes:
        says: What it does, for a person.
    """

    says: ClassVar[str]

    def __init__(self, config: PartConfig) -> None:
        super().__init__()

    @staticmethod
    def required(conditions: Conditions, name: str) -> Tensor:
        """A field of the conditions that may be None, but not for this part.

        Raises:
            ValueError: It is None.
        """
        tensor: Tensor | None = getattr(conditions, name)
        if tensor is None:
            raise ValueError(f"the conditions have no {name}, which the model's conditioning reads")
        return tensor

    def embed(self, conditions: Conditions) -> Tensor | None:
        """What is added to the embedded video, (B, D, F', h/p, w/p); None adds nothing."""
        return None

    def prepend(self, conditions: Conditions, timestep: Tensor) -> Prepended | None:
        """Frames to put before the video's, at the noise level of `timestep`, σ·1000, (B,)."""
        return None

    def begin(self, transformer: Any, conditions: Conditions, embedded: Embedded) -> State | None:
        """What the blocks' halves are given; None leaves them out.

        Args:
            transformer: The `ProductVideoTransformer` that it is a part of.
            conditions: Of B samples, in the type that the model computes in.
            embedded: What the first block is given.
        """
        return None


class MaskedPart(ModelPart):
    """A part with a patch embedding of a mask (4) and of a video's latents (C), which starts at zero.

    Apart from the base's embedding of z_t rather than one over all channels: zeros in a longer sum would change how it
    is blocked, and with that its last bits.
    """

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        channels, patch = TEMPORAL_FACTOR + config.latent_channels, config.patch_size
        self.embedding = nn.Conv3d(channels, config.dim, kernel_size=patch, stride=patch, bias=False)
        nn.init.zeros_(self.embedding.weight)

    def embed_pair(self, mask: Tensor, latents: Tensor) -> Tensor:
        """A mask (B, 4, F', h, w) and latents (B, C, F', h, w) → (B, D, F', h/p, w/p)."""
        embedded: Tensor = self.embedding(torch.cat([mask, latents], dim=1))
        return embedded


class BlockPart(nn.Module):
    """A part's half in one block. It adds nothing unless it overrides one of these.

    Args:
        config: What it is built from.
        place: Number of its block, from 0.
    """

    def __init__(self, config: PartConfig, place: int) -> None:
        super().__init__()

    def attend(
        self, block: Any, query: Tensor, state: State, return_attention: bool, bias: Tensor | None = None
    ) -> tuple[Tensor | None, State, Tensor | None]:
        """What is added to self-attention's values before they are projected.

        Args:
            block: The block that it is a part of.
            query: Of the video's patches, normalised and rotated, (B, P, heads, D / heads).
            state: As `ModelPart.begin` or the block before gave it.
            return_attention: Also return how much of each patch's attention the product gets, (B, P).
            bias: Added to the logits of each patch's attention to the product, (B, P); None: nothing.

        Returns:
            What is added, (B, P, D), the state for the next block, and the attention.
        """
        return None, state, None

    def cross(
        self, hidden_states: Tensor, state: State, return_attention: bool, bias: Tensor | None = None
    ) -> tuple[Tensor | None, Tensor | None]:
        """What is added to the patches (B, P, D) after the text, and the attention as `attend` returns it."""
        return None, None

    def after(self, hidden_states: Tensor, state: State) -> Tensor | None:
        """What is added to the patches (B, P, D) after the block."""
        return None
