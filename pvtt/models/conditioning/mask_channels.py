"""`mask_channels`: the hole and the template around it, as channels beside the noise (as Wan's I2V has them)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import ModelPart, PartConfig
from pvtt.models.vae import TEMPORAL_FACTOR


class MaskChannels(ModelPart):
    """A patch embedding of the mask (4) and of the masked video's latents (C), which starts at zero.

    Apart from the base's embedding of z_t rather than one over all channels: zeros in a longer sum would change how it
    is blocked, and with that its last bits.
    """

    says = "the mask and the template outside it, in the same place as the noise"

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Conv3d(
            TEMPORAL_FACTOR + config.latent_channels,
            config.dim,
            kernel_size=config.patch_size,
            stride=config.patch_size,
            bias=False,
        )
        nn.init.zeros_(self.embedding.weight)

    def embed(self, conditions: Conditions) -> Tensor:
        return self.embed_pair(conditions.mask, conditions.masked_latents)

    def embed_pair(self, mask: Tensor, latents: Tensor) -> Tensor:
        """A mask (B, 4, F', h, w) and latents (B, C, F', h, w) → (B, D, F', h/p, w/p)."""
        embedded: Tensor = self.embedding(torch.cat([mask, latents], dim=1))
        return embedded
