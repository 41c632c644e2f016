"""`collage`: a photo of the product, cut out and placed in the hole, as the model's draft.

AnyDoor (arXiv:2307.09481) stitches a map of the reference's fine details into the scene, so that its model need not
find out where on the product each of them belongs. Here it is the photo itself, placed by `pvtt.encoding.collage`: what
scissors can do. What is left to learn is what they cannot: its pose in each frame, the light, the shadow, the edge.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import ModelPart, PartConfig
from pvtt.models.vae import TEMPORAL_FACTOR


class CollageChannels(ModelPart):
    """A patch embedding of where the photo is (4) and of what it changes in the masked video's latents (C), which
    starts at zero. No photo in the hole changes nothing, and adds nothing."""

    says = "one of the photos in the hole, cut out and placed by it: what scissors can do"

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
        latents = self.required(conditions, "collage_latents") - conditions.masked_latents
        embedded: Tensor = self.embedding(torch.cat([self.required(conditions, "collage_mask"), latents], dim=1))
        return embedded
