"""A photo of the product in its place: cut out, placed and scaled by the hole alone, without any learning.

    photos ──► cut out along their alpha ──► the one whose own hole would be most like the given one
    holes  ──► a straight track: place and size at the first and the last frame ──► drawn over the masked template

The hole is all that shows where the product was, and it is only known coarsely: the product's mask was dilated, then
rounded outwards to cells, to a box, or not at all (`HoleShape`); in a transfer it also has room for the new one. So a
photo is placed as large as it fits, on the hole's lower edge, then moved and scaled until the hole that it would have
had is the given one and nothing of it is cut off. One photo and one straight track a clip: nothing jumps when a cell of
the hole does. Of the light around the hole the photo takes on little: see `LIGHT`.

The contender `paste` shows it over the inpainted template; the conditioning `collage` gives it to the model.

On 20 procedural test samples and 20 transfers of wan-tiny's takes at 240×160:

| | test: IoU with the product | product PSNR, dB | transfer: IoU | hole PSNR, dB | size / true size |
|---|---|---|---|---|---|
| by the hole's area, moved until the holes agree | .80 | 15.1 | .43 | 14.7 | 1.22 |
| as large as fits | .69 | 13.9 | .48 | 16.0 | .97 |
| as large as fits, moved until the holes agree, nothing cut off | .79 | 15.1 | .48 | 15.7 | 1.07 |
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pvtt.encoding.crop import bounding_box
from pvtt.media.arrays import Region, Rgba, Video

NUM_KEY_FRAMES = 9  # in which holes are compared
STEPS = (0.5, 0.25, 0.125)  # of a cell, and of `SCALE_STEP`
SCALE_STEP = 0.2  # of the logarithm of the scale
NUM_ROUNDS = 3  # at each step width, at most
OUTSIDE = 3.0  # weight of the share of the product that would be cut off at the hole's edge
# Each is tried both ways. Place (x, y) and log scale at the first frame, then at the last.
MOVES = np.array(
    [
        [1, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1],
        [1, 0, 0, -1, 0, 0],
        [0, 1, 0, 0, -1, 0],
        [0, 0, 1, 0, 0, -1],
    ]
)
SUPERSAMPLING = 2
RING = 0.06  # of the short side: how far around the hole the light is measured
# The power of the surroundings' brightness, relative to `GREY`, that the photo's is multiplied by. Full strength is
# wrong for products, which have lights of their own: over 42 clips of the shop the true product's brightness goes with
# a power of .1 of the surroundings' (correlation .4), its tint with one of .04, which improves no figure.
LIGHT = 0.05
GREY = 0.28  # linear light
GAMMA = 2.2

Ends = npt.NDArray[np.float64]  # (6,): x, y in pixels and log scale at the first frame, then at the last


@dataclass(frozen=True)
class HoleShape:
    """How holes were made from the product's mask: what the mask contract says of them.

    Args:
        kind: `outline` (dilated only), `grid` (rounded outwards to cells), or `box` (a frame's bounding box).
        dilation: As a fraction of the frame's short side.
    """

    kind: Literal["outline", "grid", "box"]
    dilation: float

    def radius(self, height: int, width: int) -> int:
        """The dilation in pixels."""
        return math.ceil(self.dilation * min(height, width))


@dataclass(frozen=True)
class Collage:
    """A photo in its place.

    Args:
        layer: What is drawn, (F, H, W, 4): colours weighted by alpha, of 255, and alpha in [0, 1].
    """

    layer: npt.NDArray[np.float32]

    @property
    def region(self) -> Region:
        """Where the photo is, (F, H, W)."""
        return np.asarray(self.layer[..., 3] >= 0.5)

    def inside(self, hole: Region) -> Collage:
        """Cut off at the hole's edge, (F, H, W)."""
        return Collage(self.layer * hole[..., None])

    def over(self, video: Video) -> Video:
        """Drawn over a video, (F, H, W, 3)."""
        drawn = self.layer[..., :3] + video * (1 - self.layer[..., 3:])
        return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Cutout:
    """A photo's product in its bounding box, (h, w, 4): colours weighted by alpha, of 255, and alpha in [0, 1]."""

    pixels: npt.NDArray[np.float32]

    @property
    def alpha(self) -> npt.NDArray[np.float32]:
        return self.pixels[..., 3]


@dataclass(frozen=True)
class Track:
    """Where a cutout's centre is and how large it is: straight lines over the frames.

    Args:
        ends: At the first and the last frame.
        overlap: How well it fits; 1 at most.
    """

    ends: Ends
    overlap: float

    def at(self, time: float) -> tuple[float, float, float]:
        """x, y and scale at a time in [0, 1]."""
        x, y, log_scale = self.ends[:3] * (1 - time) + self.ends[3:] * time
        return float(x), float(y), math.exp(log_scale)


def collage(template: Video, hole: Region, photos: Sequence[Rgba], shape: HoleShape) -> Collage:
    """Place the photo that fits best.

    Args:
        template: What is in the hole is not looked at, (F, H, W, 3).
        hole: (F, H, W).
        photos: (S, S, 4) each, background removed.
        shape: How the hole was made.

    Returns:
        Without any hole or photo it is empty.
    """
    side = SUPERSAMPLING * max(hole.shape[1:])  # a larger picture shows nothing more, and takes longer
    cutouts = [cutout for photo in photos if (cutout := cut_out(photo, side)) is not None]
    if not cutouts or not hole.any():
        return Collage(np.zeros((*hole.shape, 4), np.float32))
    guesses = [_guess(cutout, hole, shape) for cutout in cutouts]
    best = max(range(len(cutouts)), key=lambda index: guesses[index].overlap)
    track = _fit(cutouts[best], guesses[best], hole, shape)
    drawn = draw_on_track(cutouts[best], track, hole.shape)
    colours = (drawn[..., :3] * _light(template, hole)).clip(0, 255 * drawn[..., 3:])
    return Collage(np.concatenate([colours, drawn[..., 3:]], axis=-1))


def cut_out(photo: Rgba, side: int) -> Cutout | None:
    """A photo's product, reduced to at most `side` pixels; None where nothing is opaque."""
    solid = photo[..., 3] >= 128
    if not solid.any():
        return None
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    top, left = max(0, rows[0] - 1), max(0, columns[0] - 1)  # with the soft edge
    box = photo[top : rows[-1] + 2, left : columns[-1] + 2].astype(np.float32)
    alpha = box[..., 3:] / 255
    pixels = np.concatenate([box[..., :3] * alpha, alpha], axis=-1)
    return Cutout(_resized(pixels, min(1.0, side / max(alpha.shape))))


def _guess(cutout: Cutout, hole: Region, shape: HoleShape) -> Track:
    """The largest that fits into the hole less its dilation, on its lower edge and in its middle.

    A product that takes another's place has a hole with room for both (`pvtt.encoding.room`), and stands where that one
    stood.
    """
    height, width = hole.shape[1:]
    cell = cell_size(hole) if shape.kind == "grid" else 0
    margin = shape.radius(height, width) + cell / 2  # rounded outwards by half a cell on average
    # A hole at the frame's border is cut off; what it tells of size and place is wrong.
    shown = hole.any(axis=(1, 2))
    cut_off = hole[:, [0, -1]].any(axis=(1, 2)) | hole[:, :, [0, -1]].any(axis=(1, 2))
    used = np.flatnonzero(shown & ~cut_off) if (shown & ~cut_off).sum() >= 3 else np.flatnonzero(shown)
    times = used / max(1, len(hole) - 1)
    left, top, right, bottom = np.transpose([bounding_box(hole[index]) for index in used]).astype(np.float64)
    middle, ground = line_through(times, (left + right) / 2), line_through(times, bottom - margin)
    room = [line_through(times, side - 2 * margin).clip(4, None) for side in (right - left, bottom - top)]
    box = bounding_box(cutout.alpha >= 0.5)
    sides = box[2] - box[0], box[3] - box[1]
    scale = np.minimum(room[0] / sides[0], room[1] / sides[1])
    y = ground - scale * sides[1] / 2
    ends = np.array([middle[0], y[0], math.log(scale[0]), middle[1], y[1], math.log(scale[1])])
    return Track(ends, _Holes(cutout, hole, shape).overlap(Track(ends, 0.0)))


def _fit(cutout: Cutout, guess: Track, hole: Region, shape: HoleShape) -> Track:
    """Move and scale a track, in smaller and smaller steps, as long as it fits better."""
    holes, track, cell = _Holes(cutout, hole, shape), guess, cell_size(hole)
    place = max(cell, 4)
    for step in STEPS:
        unit = step * np.array([place, place, SCALE_STEP] * 2)
        for _ in range(NUM_ROUNDS):
            before = track.overlap
            for move in (*MOVES, *-MOVES):
                ends = track.ends + move * unit
                overlap = holes.overlap(Track(ends, 0.0))
                if overlap > track.overlap:
                    track = Track(ends, overlap)
            if track.overlap == before:
                break
    return track


class _Holes:
    """The holes that a cutout would have had on a track, beside the given ones."""

    def __init__(self, cutout: Cutout, hole: Region, shape: HoleShape) -> None:
        num_frames, height, width = hole.shape
        picked = np.unique(np.linspace(0, num_frames - 1, NUM_KEY_FRAMES).round().astype(int))
        given = [(index / max(1, num_frames - 1), hole[index].astype(np.uint8)) for index in picked]
        self._frames = [(time, frame, _count(frame)) for time, frame in given if frame.any()]
        self._shape = shape
        self._cell = cell_size(hole)
        self._disc = _disc(shape.radius(height, width))
        self._alpha = np.ascontiguousarray(cutout.alpha)

    def overlap(self, track: Track) -> float:
        """Mean intersection over union of the holes, less what of the product lies outside the given ones."""
        values = []
        for time, given, num_given in self._frames:
            x, y, scale = track.at(time)
            product = (_place(self._alpha, x, y, scale, given.shape) >= 0.5).view(np.uint8)
            own = _hole_of(product, self._shape, self._disc, self._cell)
            num_product, num_both = _count(product), _count(own & given)
            outside = (num_product - _count(product & given)) / max(1, num_product)
            values.append(num_both / (_count(own) + num_given - num_both) - OUTSIDE * outside)
        return float(np.mean(values)) if values else 0.0


def _count(region: npt.NDArray[np.uint8]) -> int:
    import cv2

    return cv2.countNonZero(region)


def cell_size(hole: Region) -> int:
    """The side in pixels of the cells that a hole, (F, H, W), was rounded to: what all its edges are multiples of."""
    rows, columns = ((np.diff(hole.astype(np.int8), axis=axis) != 0).any(axis=(0, 3 - axis)) for axis in (1, 2))
    edges = [int(place) + 1 for changes in (rows, columns) for place in np.flatnonzero(changes)]
    return max(1, math.gcd(*edges))


def _hole_of(
    product: npt.NDArray[np.uint8], shape: HoleShape, disc: npt.NDArray[np.uint8], cell: int
) -> npt.NDArray[np.uint8]:
    """The hole that a product's mask, (H, W) of 0 and 1, would have had."""
    import cv2

    height, width = product.shape
    hole = np.asarray(cv2.dilate(product, disc), np.uint8)
    if shape.kind == "grid" and cell > 1:
        padded = cv2.copyMakeBorder(hole, 0, -height % cell, 0, -width % cell, cv2.BORDER_CONSTANT, value=0)
        rows = padded.reshape(-1, cell, padded.shape[1]).max(axis=1)
        cells = rows.reshape(len(rows), -1, cell).max(axis=2)
        hole = np.asarray(cv2.resize(cells, padded.shape[::-1], interpolation=cv2.INTER_NEAREST))[:height, :width]
    return _boxed(hole) if shape.kind == "box" else hole


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size), np.uint8)


def _boxed(hole: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    box = np.zeros_like(hole)
    if len(rows):
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = 1
    return box


def line_through(times: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values at times 0 and 1 of the straight line nearest to (times, values)."""
    if len(times) < 2:
        return np.repeat(values[:1], 2)
    slope, start = np.polyfit(times, values, 1)
    return np.array([start, start + slope])


def _resized(picture: npt.NDArray[np.float32], scale: float) -> npt.NDArray[np.float32]:
    """A picture, (h, w) or (h, w, 4), at about `scale` times its size, at least one pixel."""
    import cv2

    height, width = picture.shape[:2]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), size, interpolation=how), np.float32)


def _place(
    picture: npt.NDArray[np.float32], x: float, y: float, scale: float, shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """A picture scaled, with its centre at (x, y), on an empty frame of `shape`, (H, W)."""
    import cv2

    height, width = picture.shape[:2]
    matrix = np.array([[scale, 0, x - scale * (width - 1) / 2 - 0.5], [0, scale, y - scale * (height - 1) / 2 - 0.5]])
    return np.asarray(cv2.warpAffine(picture, matrix, shape[1::-1], flags=cv2.INTER_LINEAR), np.float32)


def draw_on_track(cutout: Cutout, track: Track, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """The cutout on its track, (F, H, W, 4), antialiased: reduced by area first, then drawn at twice the size."""
    import cv2

    num_frames, height, width = shape
    times = np.arange(num_frames) / max(1, num_frames - 1)
    largest = max(track.at(time)[2] for time in (0.0, 1.0)) * SUPERSAMPLING
    reduced = _resized(cutout.pixels, min(1.0, largest))
    ratio = max(reduced.shape) / max(cutout.pixels.shape)
    frames = []
    for x, y, scale in map(track.at, times):
        x, y, scale = x * SUPERSAMPLING, y * SUPERSAMPLING, scale * SUPERSAMPLING / ratio
        large = _place(reduced, x, y, scale, (height * SUPERSAMPLING, width * SUPERSAMPLING))
        frames.append(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA))
    return np.stack(frames).astype(np.float32)


def _light(template: Video, hole: Region) -> float:
    """What the photo's colours are multiplied by to stand in the light around the hole."""
    import cv2

    disc = _disc(math.ceil(RING * min(hole.shape[1:])))
    ring = np.stack([cv2.dilate(inside.astype(np.uint8), disc) > 0 for inside in hole]) & ~hole
    if not ring.any():
        return 1.0
    brightness = ((template[ring] / 255.0) ** GAMMA).mean()
    return float((max(brightness, 0.01) / GREY) ** (LIGHT / GAMMA))
