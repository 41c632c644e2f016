"""A collage as the model reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pvtt.encoding.collage import Collage
from pvtt.encoding.masks import fill_hole, pack_mask
from pvtt.media.arrays import Region, Video
from pvtt.media.inpaint import inpaint
from pvtt.models.vae import encode_video, to_unit_range


def encode_collage(
    vae: Any, made: Collage, template: Video, hole: Region, fill: float, masked_latents: Tensor
) -> dict[str, Tensor]:
    """The collage's fields of `Conditions`, without the batch's dimension, float32.

    Args:
        vae: An `AutoencoderKLWan`.
        made: The photo in its place; what reaches beyond the hole is cut off.
        template: (F, H, W, 3).
        hole: (F, H, W).
        fill: Value of the hole around the photo, in [-1, 1].
        masked_latents: Of the template without the photo, (C, F', h, w): what an empty collage is.
    """
    video = collage_video(made, template, hole, fill).to(masked_latents.device)
    return collage_fields(made, hole, encode_video(vae, video)[0], masked_latents)


def collage_video(made: Collage, template: Video, hole: Region, fill: float) -> Tensor:
    """The masked template with the photo in its hole, (1, 3, F, H, W) in [-1, 1]. Arguments as for `encode_collage`."""
    pixels = to_unit_range(torch.from_numpy(np.ascontiguousarray(template))[None])
    masked = fill_hole(pixels, torch.from_numpy(hole)[None, None], fill)
    layer = torch.from_numpy(made.inside(hole).layer)[None].movedim(-1, 1)  # (1, 4, F, H, W)
    colours, alpha = layer[:, :3], layer[:, 3:]
    return masked * (1 - alpha) + colours / 127.5 - alpha


def collage_fields(made: Collage, hole: Region, latents: Tensor, masked_latents: Tensor) -> dict[str, Tensor]:
    """The fields of `Conditions`, given the latents of `collage_video`, (C, F', h, w). Arguments as for
    `encode_collage`."""
    region = made.inside(hole).region
    mask = pack_mask(region).to(masked_latents.device)
    return {"collage_latents": latents if region.any() else masked_latents, "collage_mask": mask}


def encode_draft(vae: Any, made: Collage, template: Video, hole: Region) -> Tensor:
    """`Conditions.draft_latents`, (1, C, F', h, w): the template, its hole filled from around it, with the photo in it.

    Arguments as for `encode_collage`.
    """
    drawn = made.inside(hole).over(inpaint(template, hole))
    pixels = to_unit_range(torch.from_numpy(drawn)[None])
    return encode_video(vae, pixels.to(vae.device))
