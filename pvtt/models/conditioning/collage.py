"""`collage`: a photo of the product, cut out and placed in the hole, as the model's draft.

AnyDoor (arXiv:2307.09481) stitches a map of the reference's fine details into the scene, so that its model need not
find out where on the product each of them belongs. Here it is the photo itself, placed by `pvtt.encoding.collage`: what
scissors can do. What is left to learn is what they cannot: its pose in each frame, the light, the shadow, the edge.
"""

from __future__ import annotations

from torch import Tensor

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import MaskedPart


class CollageChannels(MaskedPart):
    """Where the photo is, and what it changes in the masked video's latents. No photo in the hole changes nothing, and
    adds nothing."""

    says = "one of the photos in the hole, cut out and placed by it: what scissors can do"

    def embed(self, conditions: Conditions) -> Tensor:
        latents = self.required(conditions, "collage_latents") - conditions.masked_latents
        return self.embed_pair(self.required(conditions, "collage_mask"), latents)
