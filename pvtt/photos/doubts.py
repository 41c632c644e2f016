"""Why a person should look at a cut-out: what a whole product, cut out well, hardly ever looks like."""

from __future__ import annotations

import numpy as np

from pvtt.foreground.pieces import border_share, pieces
from pvtt.media.arrays import MaskFrame
from pvtt.photos.cutout import SOLID, is_frame

# Measured on 42 photos of 21 objects as people take them (google/dreambooth, two of each): of nine cut-outs that were
# wrong these name seven (not a rock behind a shoe, a leaf beside a pot), of 33 right ones one. Of the sample shop's 212
# photos they name six, all wrong: rings and bracelets whose inside shows the backdrop, or of which a part is gone.
MIN_AREA, MAX_AREA = 0.03, 0.75  # of the photo
MAX_BORDER = 0.0005  # of the photo's border: more, and the product goes on outside, or it is the background
MAX_PIECE = 0.1  # of what is solid: a second piece of this size is another thing, or one half of a torn one
MAX_SOFT = 0.04  # of what is solid, in half transparent pixels: the network was not sure


def doubts(alpha: MaskFrame, came_cut_out: bool = False) -> tuple[str, ...]:
    """What is doubtful in a cut-out, by its alpha, (H, W), in the photo's frame.

    `small`, `large`: it covers little or most of the photo; `cut_off`: it touches the photo's border;
    `fragments`: it is in several pieces; `unsure`: much of it is half transparent; `frame`: it has the outline of a
    picture, a rectangle or an ellipse. What came cut out may be trimmed to its box, and be as large as that.
    """
    solid = alpha >= SOLID
    area = float(solid.mean())
    share = alpha[alpha > 0].astype(np.float32) / 255
    soft = float(np.minimum(share, 1 - share).sum()) / max(1, int(solid.sum()))
    found = {
        "small": area < MIN_AREA and not came_cut_out,
        "large": area > MAX_AREA and not came_cut_out,
        "cut_off": border_share(solid) > MAX_BORDER and not came_cut_out,
        "fragments": any(piece >= MAX_PIECE for piece in pieces(solid)[1:]),
        "unsure": soft > MAX_SOFT,
        "frame": is_frame(alpha),
    }
    return tuple(name for name, doubtful in found.items() if doubtful)
