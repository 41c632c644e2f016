"""`new.compare.mp4`: template and output side by side, in one film that is played as often as one likes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from pvtt.generation.ad.label import Label
from pvtt.generation.ad.template import Template
from pvtt.generation.ad.write import AdWriter
from pvtt.media.arrays import Frame

COMPARISON = ".compare.mp4"  # instead of the film's own suffix
MAX_HEIGHT = 720  # pixels
LINE_WIDTH = 4  # even, so that no pixel of colour belongs to both films
LINE = 250
CRF = 20  # of x264: to look at and to send


def half_size(template: Template) -> tuple[int, int]:
    """Width and height that the template gets: square pixels, even sides."""
    scale = min(Fraction(1), Fraction(MAX_HEIGHT, template.height))
    width, height = template.width * template.pixel_aspect * scale, template.height * scale
    return max(2, 2 * round(width / 2)), max(2, 2 * round(height / 2))


def write_comparison(
    path: Path, template: Template, film: Path, label: Label, film_size: tuple[int, int] | None = None
) -> list[str]:
    """Write the template on the left and the film made of it on the right, with one frame of each in memory.

    Args:
        path: The .mp4 to write.
        template: Whose times and sound it gets.
        film: With as many frames.
        label: Of this film: it shows what was generated too.
        film_size: Width and height of `film`, in pixels of the template's shape, where it is cut; it becomes as high as
            the template.

    Returns:
        What could not be kept.
    """
    width, height = half_size(template)
    film_width = width
    if film_size is not None:
        film_width = max(2, 2 * round(film_size[0] * template.pixel_aspect / film_size[1] * height / 2))
    line = np.full((height, LINE_WIDTH, 3), LINE, np.uint8)
    both = replace(template, width=width + LINE_WIDTH + film_width, height=height, rotation=0, pixel_aspect=Fraction(1))
    with AdWriter(path, both, label, crf=CRF, needs_sound=False) as writer:
        for old, new in zip(template.frames(), replace(template, path=film).frames(), strict=True):
            halves = _resized(old, width, height), _resized(new, film_width, height)
            writer.write(np.concatenate([halves[0], line, halves[1]], axis=1))
    return ["the film side by side has no sound: .mp4 cannot hold the template's"] if writer.lost_sound else []


def _resized(frame: Frame, width: int, height: int) -> Frame:
    if frame.shape[:2] == (height, width):
        return frame
    how = cv2.INTER_AREA if height <= frame.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (width, height), interpolation=how), np.uint8)
