"""Put the generated product into the template's own pixels, without a seam."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame, FrameRegion, Region, Video

FEATHER = 0.012  # of the frame's short side: less than holes are dilated by, so that no old product shines through
RING = 0.06  # of the short side: how far outside the hole colours are compared, and how far inside they are moved

Floats = npt.NDArray[np.float32]


def composite(
    generated: Video,
    template: Video,
    mask: Region,
    feather: float = FEATHER,
    match_colours: bool = True,
) -> Video:
    """Generated pixels inside the mask, the template's outside, blended over a feathered edge that lies inside.

    Args:
        generated: (F, H, W, 3) uint8 RGB, the whole frames as decoded.
        template: Same shape. Its pixels outside the mask come back untouched, to the bit.
        mask: True where generated, (F, H, W).
        feather: Width of the edge as a fraction of the short side; 0 cuts hard.
        match_colours: Move the generated colours near the border by what they are off on the ring outside it.

    Returns:
        (F, H, W, 3) uint8 RGB.
    """
    short_side = min(mask.shape[1:])
    frames = []
    for new, old, hole in zip(generated, template, mask, strict=True):
        if not hole.any() or hole.all():
            frames.append(np.where(hole[..., None], new, old))
            continue
        distance = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        width = feather * short_side
        alpha = hole.astype(np.float32) if width == 0 else np.clip(distance / (width + 1), 0, 1)
        moved = new.astype(np.float32)
        if match_colours:
            moved += _correction(new, old, hole, distance, RING * short_side)
        blended = moved * alpha[..., None] + old * (1 - alpha[..., None])
        frames.append(np.where(hole[..., None], blended.round().clip(0, 255).astype(np.uint8), old))
    return np.stack(frames)


def _correction(new: Frame, old: Frame, hole: FrameRegion, distance: Floats, reach: float) -> Floats:
    """What is added to the generated pixels: the template's difference from them on the ring outside the hole, carried
    inwards and fading with the distance from the border.

    It is carried as a membrane would (Pérez et al. 2003, *Poisson Image Editing*): at the border a pixel takes what
    its neighbours outside are off, further inside the mean over more of them. The mean is a normalised convolution, as
    wide as the pixel is far from the border.
    """
    size = 2 * round(reach) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    ring = (cv2.dilate(hole.astype(np.uint8), kernel) > 0) & ~hole
    weight = ring.astype(np.float32)
    difference = (old.astype(np.float32) - new) * weight[..., None]
    widths = 2.0 ** np.arange(max(1, math.ceil(math.log2(max(reach, 2)))) + 1)
    level = np.log2(np.clip(distance, widths[0], widths[-1]))
    correction = np.zeros_like(difference)
    for number, width in enumerate(widths):
        share = np.clip(1 - np.abs(level - number), 0, 1)
        if share.any():
            carried = cv2.GaussianBlur(difference, (0, 0), width)
            amount = cv2.GaussianBlur(weight, (0, 0), width)
            correction += carried / (amount + 1e-4)[..., None] * share[..., None]
    return np.asarray(correction * np.exp(-distance / reach)[..., None], dtype=np.float32)
