"""One photo's background made transparent."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pvtt.foreground.holes import foreground
from pvtt.foreground.pieces import border_share, pieces
from pvtt.media.arrays import Frame, FrameRegion, MaskFrame, Rgba, SoftMask

if TYPE_CHECKING:
    from PIL.Image import Image

EDGE = (0.25, 0.75)  # of the soft mask: what becomes alpha 0 and 1; soft between

CLEAR = 12  # alpha up to which nothing is seen of a pixel
SOLID = 128  # alpha from which a pixel is the product's
MIN_CLEAR_BORDER = 0.15  # of the border of a picture that comes cut out; a box trimmed to its outline touches the rest
SPECK = 1 / 40  # of the short side: clear pixels thinner than this are holes and noise
MIN_IN_PIECES = 0.8  # of what is solid lies in pieces of some size; less is holes and noise, not an object
SHAPE_FIT = 0.99  # of a solid region that a rounded rectangle or an ellipse must explain to be a picture's outline
FRAME_LINES = 128  # height at which an outline is compared


def cut_out(image: Image) -> Rgba:
    """The photo with its background transparent, (H, W, 4).

    A photo that comes cut out keeps its own alpha: one with a transparent border around an object. Rounded corners, a
    round picture, a few transparent pixels are no cut-out: what stands out in them is looked for as in any photo.
    """
    if image.mode == "RGBA":
        own = np.asarray(image)
        if comes_cut_out(own[..., 3]):
            return own
        if own[..., 3].min() < 255:
            soft = foreground(_opaque(own))
            return np.dstack([own[..., :3], np.round(_alpha(soft) * (own[..., 3] / np.float32(255))).astype(np.uint8)])
    rgb = np.asarray(image.convert("RGB"))
    return np.dstack([rgb, np.round(_alpha(foreground(rgb))).astype(np.uint8)])


def comes_cut_out(alpha: MaskFrame) -> bool:
    """Whether a picture's alpha, (H, W), is the outline of an object rather than of the picture."""
    import cv2

    reach = max(3, round(SPECK * min(alpha.shape)) | 1)
    solid, clear = alpha >= SOLID, cv2.blur(alpha, (reach, reach)) <= CLEAR
    if not solid.any() or border_share(clear) < MIN_CLEAR_BORDER:
        return False
    if sum(pieces(solid)) < MIN_IN_PIECES:
        return False
    return not (_touches_all_sides(alpha > CLEAR) and is_frame(alpha))


def is_frame(alpha: MaskFrame) -> bool:
    """Whether what is solid has the outline of a picture: a rectangle, with round corners or not, or an ellipse."""
    import cv2

    rows, columns = np.flatnonzero((alpha >= SOLID).any(axis=1)), np.flatnonzero((alpha >= SOLID).any(axis=0))
    if not len(rows):
        return False
    box = alpha[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(8, round(FRAME_LINES * box.shape[1] / box.shape[0]))
    solid = np.asarray(cv2.resize(box, (width, FRAME_LINES), interpolation=cv2.INTER_AREA)) >= SOLID
    y, x = np.mgrid[:FRAME_LINES, :width] + 0.5
    half_y, half_x = FRAME_LINES / 2, width / 2
    down, across = np.abs(y - half_y), np.abs(x - half_x)
    rounded = []
    for radius in np.linspace(0, min(half_y, half_x), 24):
        past_y, past_x = down - (half_y - radius), across - (half_x - radius)
        rounded.append((past_y <= 0) | (past_x <= 0) | (past_y**2 + past_x**2 <= radius**2))
    ellipse = (down / half_y) ** 2 + (across / half_x) ** 2 <= 1
    wrong = 0  # pixels, each corner with the radius that fits it best
    for upper, left in product((True, False), repeat=2):
        corner = ((y < half_y) == upper) & ((x < half_x) == left)
        wrong += min(int((solid ^ shape)[corner].sum()) for shape in rounded)
    return min(wrong, int((solid ^ ellipse).sum())) <= (1 - SHAPE_FIT) * solid.sum()


def over(picture: Rgba, backdrop: int) -> Frame:
    """What is seen of a picture, (H, W, 4), over a grey of 0 to 255; (H, W, 3)."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    seen = picture[..., :3] * alpha + np.float32(backdrop) * (1 - alpha)
    return np.asarray(np.round(seen), np.uint8)


def _alpha(soft: SoftMask) -> npt.NDArray[np.float32]:
    low, high = EDGE
    return np.asarray(np.clip((soft - low) / (high - low), 0.0, 1.0) * 255)


def _opaque(picture: Rgba) -> Frame:
    """The picture without its alpha, (H, W, 3): where nothing is seen, the nearest colour that is."""
    import cv2

    clear = picture[..., 3] <= CLEAR
    if not clear.any() or clear.all():
        return over(picture, 255)
    _, labels = cv2.distanceTransformWithLabels(
        clear.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((int(labels.max()) + 1, 3), np.uint8)
    colours[labels[~clear]] = picture[..., :3][~clear]
    return np.ascontiguousarray(colours[labels])


def _touches_all_sides(region: FrameRegion) -> bool:
    return bool(region[0].any() and region[-1].any() and region[:, 0].any() and region[:, -1].any())
