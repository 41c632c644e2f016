"""Training crops of takes, at the scale that wan-tiny is used at: the product large, as the crop contract shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.builtin.wan_tiny import config
from pvtt.builtin.wan_tiny.takes import Take, read_take

UInt8 = npt.NDArray[np.uint8]

# Width of the take that becomes the window's width. The product reaches .62 to .9 of a take, 360 pixels wide.
MIN_WINDOW, MAX_WINDOW = 210, 360


@dataclass(frozen=True)
class Crop:
    """Part of a film.

    Attributes:
        video: (F, H, W, 3) RGB.
        coverage: The product's, (F, H, W), 0–255.
    """

    video: UInt8
    coverage: UInt8


@dataclass
class TakeReader:
    """Takes of a directory, decoded once and held while memory allows.

    Args:
        directory: As `render_takes` was given.
        indices: Which of its takes.
        hold: How many to hold, 5 MB each.
    """

    directory: Path
    indices: Sequence[int]
    hold: int = 1200
    _held: dict[int, Take] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, place: int) -> Take:
        index = self.indices[place]
        if index not in self._held:
            take = read_take(self.directory, index)
            if len(self._held) >= self.hold:
                return take
            self._held[index] = take
        return self._held[index]


def draw_crop(take: Take, size: tuple[int, int], num_frames: int, rng: np.random.Generator) -> Crop:
    """A random crop of one of a take's films near the product, mirrored or not, its colour channels in any order.

    Args:
        take: The take.
        size: Height and width of the crop.
        num_frames: 1 or 9 of its frames, or what lies between, from a random one on.
        rng: Source of randomness.
    """
    film = int(rng.integers(2))
    first = int(rng.integers(take.films.shape[1] - num_frames + 1))
    scale = config.WIDTH / float(rng.uniform(MIN_WINDOW, MAX_WINDOW))
    frames, masks = (part[film, first : first + num_frames] for part in (take.films, take.masks))
    height, width = frames.shape[1:3]
    cut = (min(height, round(size[0] / scale)), min(width, round(size[1] / scale)))  # in the take's pixels
    rows, columns = np.flatnonzero(masks[0].any(axis=1)), np.flatnonzero(masks[0].any(axis=0))
    middle = np.array([rows.mean() if len(rows) else height / 2, columns.mean() if len(columns) else width / 2])
    spread = np.array([np.ptp(rows) if len(rows) else height, np.ptp(columns) if len(columns) else width])
    corner = middle + rng.uniform(-0.5, 0.5, 2) * spread - np.array(cut) / 2
    top, left = (int(v) for v in corner.round().clip(0, (height - cut[0], width - cut[1])))
    area = np.s_[:, top : top + cut[0], left : left + cut[1]]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    video, coverage = (
        np.stack([cv2.resize(frame, size[::-1], interpolation=interpolation) for frame in part[area]])
        for part in (frames, masks)
    )
    if rng.random() < 0.5:
        video, coverage = video[:, :, ::-1], coverage[:, :, ::-1]
    return Crop(np.ascontiguousarray(video[..., rng.permutation(3)]), np.ascontiguousarray(coverage))


def window_of(take: Take, film: int, num_frames: int = 9, fill: float = 0.45) -> Crop:
    """The window that evaluation sees of a film: cropped around the product by the crop contract's rule."""
    from pvtt.encoding.crop import CropDraw, CropPath

    frames, masks = take.films[film, :num_frames], take.masks[film, :num_frames]
    path = CropPath.follow(masks > 127, CropDraw(fill), (config.WIDTH, config.HEIGHT))
    cut = [np.stack([path.cut(frame, place) for place, frame in enumerate(part)]) for part in (frames, masks)]
    return Crop(*cut)
