"""A decoded frame in another size."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pvtt.media.arrays import Frame
from pvtt.media.video import display_size, quarter_turns, to_rgb

if TYPE_CHECKING:
    import av


def fit(frame: av.VideoFrame, sample_aspect_ratio: Fraction, width: int, height: int) -> Frame:
    """Scale a decoded frame to cover `width` by `height` and crop the centre; (height, width, 3) RGB."""
    shown_width, shown_height = display_size(frame, sample_aspect_ratio)
    scale = max(Fraction(width, shown_width), Fraction(height, shown_height))
    cover = max(width, round(shown_width * scale)), max(height, round(shown_height * scale))
    stored = cover[::-1] if quarter_turns(frame) % 2 else cover
    image = to_rgb(frame, *stored)
    top, left = (cover[1] - height) // 2, (cover[0] - width) // 2
    return image[top : top + height, left : left + width]
