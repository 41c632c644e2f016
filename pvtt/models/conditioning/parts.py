"""The ways of conditioning that there are."""

from __future__ import annotations

from pvtt.errors import PvttError
from pvtt.models.conditioning.collage import CollageChannels
from pvtt.models.conditioning.context_blocks import ContextBlocks, ContextHint
from pvtt.models.conditioning.dual_encoder import DualEncoder
from pvtt.models.conditioning.mask_channels import MaskChannels
from pvtt.models.conditioning.part import BlockPart, ModelPart
from pvtt.models.conditioning.product_tokens import ProductAttention, ProductTokens
from pvtt.models.conditioning.reference_frames import ReferenceAttention, ReferenceFrames
from pvtt.models.conditioning.template_frames import TemplateFrames

PARTS: dict[str, tuple[type[ModelPart], type[BlockPart]]] = {
    "mask_channels": (MaskChannels, BlockPart),  # the blocks see the channels in the embedded patches
    "template_frames": (TemplateFrames, BlockPart),
    "reference_frames": (ReferenceFrames, ReferenceAttention),
    "collage": (CollageChannels, BlockPart),
    "context_blocks": (ContextBlocks, ContextHint),
    "product_tokens": (ProductTokens, ProductAttention),
    "dual_encoder": (DualEncoder, ProductAttention),
}


def part_classes(name: str) -> tuple[type[ModelPart], type[BlockPart]]:
    """A part's halves.

    Raises:
        PvttError: There is no such part.
    """
    if name not in PARTS:
        raise PvttError(f"there is no conditioning {name!r}", f"model.conditioning takes {', '.join(PARTS)}")
    return PARTS[name]
