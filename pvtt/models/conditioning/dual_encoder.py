"""`dual_encoder`: photos as two frozen networks see them, CLIP and DINOv2, summed up in tokens.

CLIP (arXiv:2103.00020) says what a product is, DINOv2 (arXiv:2304.07193) how it looks; what the one confuses the other
often tells apart (arXiv:2401.06209), and AnyDoor (arXiv:2307.09481) carries a product's identity by DINOv2. Each has an
encoder of its own, as `product_tokens` has; every block attends to the tokens of both by one cross-attention, whose
gate starts at zero.
"""

from __future__ import annotations

from typing import Any

import torch

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import Embedded, ModelPart, PartConfig
from pvtt.models.conditioning.product_tokens import ProductEncoder, ProductState


class DualEncoder(ModelPart):
    """A product encoder over CLIP's tokens and one over DINOv2's."""

    says = "the photos as CLIP and DINOv2 see them, summed up in tokens (gated cross-attention)"

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        self.clip = self._encoder(config, config.product_dim, config.tokens_per_view)
        self.dino = self._encoder(config, config.dino_dim, config.dino_tokens_per_view)

    @staticmethod
    def _encoder(config: PartConfig, product_dim: int, tokens_per_view: int) -> ProductEncoder:
        return ProductEncoder(
            product_dim,
            config.dim,
            num_tokens=config.num_product_tokens,
            num_layers=config.encoder_layers,
            num_heads=config.product_heads,
            tokens_per_view=tokens_per_view,
            max_views=config.max_views,
            eps=config.eps,
        )

    def begin(self, transformer: Any, conditions: Conditions, embedded: Embedded) -> ProductState:
        clip, dino = (self.required(conditions, name) for name in ("image_tokens", "dino_tokens"))
        both = (self.clip(clip, conditions.view_mask), self.dino(dino, conditions.view_mask))
        return ProductState(torch.cat(both, dim=1).type_as(embedded.patches))
