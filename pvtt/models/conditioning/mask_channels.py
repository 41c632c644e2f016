"""`mask_channels`: the hole and the template around it, as channels beside the noise (as Wan's I2V has them)."""

from __future__ import annotations

from torch import Tensor

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import MaskedPart


class MaskChannels(MaskedPart):
    """The mask and the masked video's latents."""

    says = "the mask and the template outside it, in the same place as the noise"

    def embed(self, conditions: Conditions) -> Tensor:
        return self.embed_pair(conditions.mask, conditions.masked_latents)
