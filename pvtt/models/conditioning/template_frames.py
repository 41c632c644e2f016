"""`template_frames`: the whole template beside the noise, the old product still in it, and no mask.

The research plan's opening question: what if the model is not told where, but sees what stood there, with its pose, its
shadow and its light? The template's latents are further channels of the noise, with weights that start at zero, as
InstructPix2Pix (arXiv:2211.09800) is given the picture to edit; like it, the part is trained on pairs of the same shot
before and after. A sample whose template is its own truth would teach it to copy, so `encode` makes every sample for it
from a film of another product, and turns away those that have none.
"""

from __future__ import annotations

from torch import Tensor, nn

from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.part import ModelPart, PartConfig


class TemplateFrames(ModelPart):
    """A patch embedding of the template's latents (C), which starts at zero."""

    says = "the whole template, its old product included, in the same place as the noise"

    def __init__(self, config: PartConfig) -> None:
        super().__init__(config)
        self.embedding = nn.Conv3d(
            config.latent_channels, config.dim, kernel_size=config.patch_size, stride=config.patch_size, bias=False
        )
        nn.init.zeros_(self.embedding.weight)

    def embed(self, conditions: Conditions) -> Tensor:
        embedded: Tensor = self.embedding(self.required(conditions, "template_latents"))
        return embedded
