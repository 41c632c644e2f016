"""A collage as the model reads it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pvtt.encoding.collage import Collage
from pvtt.encoding.masks import fill_hole, pack_mask
from pvtt.media.arrays import Region, Video
from pvtt.models.vae import to_unit_range


def collage_video(made: Collage, template: Video, hole: Region, fill: float) -> Tensor:
    """The masked template with the photo in its hole, (1, 3, F, H, W) in [-1, 1].

    Args:
        made: The photo in its place; what reaches beyond the hole is cut off.
        template: (F, H, W, 3).
        hole: (F, H, W).
        fill: Value of the hole around the photo, in [-1, 1].
    """
    pixels = to_unit_range(torch.from_numpy(np.ascontiguousarray(template))[None])
    masked = fill_hole(pixels, torch.from_numpy(hole)[None, None], fill)
    layer = torch.from_numpy(made.inside(hole).layer)[None].movedim(-1, 1)  # (1, 4, F, H, W)
    colours, alpha = layer[:, :3], layer[:, 3:]
    return masked * (1 - alpha) + colours / 127.5 - alpha


def collage_fields(made: Collage, hole: Region, latents: Tensor, masked_latents: Tensor) -> dict[str, Tensor]:
    """The collage's fields of `Conditions`, without the batch's dimension, float32.

    Args:
        made: The photo in its place; what reaches beyond the hole is cut off.
        hole: (F, H, W).
        latents: Of `collage_video`, (C, F', h, w).
        masked_latents: Of the template without the photo, (C, F', h, w): what an empty collage is.
    """
    region = made.inside(hole).region
    mask = pack_mask(region).to(masked_latents.device)
    return {"collage_latents": latents if region.any() else masked_latents, "collage_mask": mask}


def draft_video(made: Collage, inpainted: Video, hole: Region) -> Tensor:
    """What a draft is the latents of, (1, 3, F, H, W) in [-1, 1].

    Args:
        made: The photo in its place; what reaches beyond the hole is cut off.
        inpainted: The template, its hole filled from around it, (F, H, W, 3).
        hole: (F, H, W).
    """
    return to_unit_range(torch.from_numpy(made.inside(hole).over(inpainted))[None])
