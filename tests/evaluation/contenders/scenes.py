"""A template whose product moves and turns as is known, and a task that asks for another product in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.encoding.collage import HoleShape
from pvtt.encoding.masks import MaskShape, conditioning_mask
from pvtt.evaluation.contenders.contender import Task
from pvtt.evaluation.contenders.motion import TemplateMotion
from pvtt.evaluation.generate import Pasting
from pvtt.media.arrays import Region, Rgba, Video
from pvtt.media.inpaint import inpaint

HEIGHT, WIDTH, NUM_FRAMES = 96, 144, 9
RED, BLUE = (210, 30, 30), (30, 40, 200)
DILATION = 0.03
CENTRE = (60.0, 46.0)  # of the product in the first frame


@dataclass(frozen=True)
class Moving:
    """How a product moves a frame: right and down in pixels, turn in degrees (clockwise on the screen), growth."""

    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0
    growth: float = 1.0

    def transform(self, frame: int) -> npt.NDArray[np.float64]:
        """From places in the first frame to those in another, (2, 3)."""
        angle, scale = math.radians(self.turn * frame), self.growth**frame
        turned = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        centre = np.array(CENTRE)
        return np.concatenate(
            [turned, (centre + np.array([self.right, self.down]) * frame - turned @ centre)[:, None]], axis=1
        )


def speckled(height: int, width: int, seed: int, low: int, high: int) -> Video:
    """A picture with structure everywhere, (height, width, 3)."""
    coarse = np.random.default_rng(seed).integers(low, high, (height // 4, width // 4, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def filmed(moving: Moving) -> tuple[Video, Region]:
    """A speckled ellipse that moves over a speckled ground, and where it is."""
    ground, skin = speckled(HEIGHT, WIDTH, 0, 90, 160), speckled(HEIGHT, WIDTH, 1, 0, 255)
    shape = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(shape, (round(CENTRE[0]), round(CENTRE[1])), (26, 18), 0, 0, 360, 255, -1)
    frames, regions = [], []
    for frame in range(NUM_FRAMES):
        matrix = moving.transform(frame)
        there = cv2.warpAffine(shape, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR) >= 128
        moved = cv2.warpAffine(skin, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        frames.append(np.where(there[..., None], moved, ground))
        regions.append(there)
    return np.stack(frames).astype(np.uint8), np.stack(regions)


def photo() -> Rgba:
    """A product of another look: a bar, red at one end and blue at the other, (256, 256, 4)."""
    picture = np.zeros((256, 256, 4), np.uint8)
    picture[88:168, 28:128] = (*RED, 255)
    picture[88:168, 128:228] = (*BLUE, 255)
    return picture


def task_of(template: Video, product: Region, key: str = "A_001") -> Task:
    """What a contender is given of a template and its product."""
    hole = conditioning_mask(product, MaskShape("box"), 2 * DILATION)
    shape, photos = HoleShape("box", 2 * DILATION), [photo()]
    pasting = Pasting(template, inpaint(template, hole), hole, photos, shape, fill=0.0)
    return Task(
        key=key,
        template=np.where(hole[..., None], np.uint8(128), template),
        hole=hole,
        photos=photos,
        conditions=None,
        partner=None,
        inpainted=pasting.inpainted,
        collage=pasting.collage,
        caption="a bar",
        motion=TemplateMotion(template, product),
    )


def ends(video: Video) -> npt.NDArray[np.float64]:
    """Where the middles of the photo's red and blue ends are in each frame, (F, 2, 2): end, then x and y."""
    pixels = video.astype(int)
    found = []
    for frame in pixels:
        red = (frame[..., 0] > 150) & (frame[..., 1] < 80) & (frame[..., 2] < 80)
        blue = (frame[..., 2] > 150) & (frame[..., 1] < 90) & (frame[..., 0] < 80)
        found.append([[np.nonzero(colour)[axis].mean() for axis in (1, 0)] for colour in (red, blue)])
    return np.asarray(found, np.float64)
