"""One photo in its place in all of a shot: what every window of the shot is conditioned by and starts from.

    where the old product stands ──► each photo in its place ──► the one most like it ──► drawn in each window

Within a window alone (`pvtt.encoding.collage`) photo, place and size are known by the hole only, and come out anew for
each; in a film the product then jumps from window to window. Here a shot's photo and track are made once, in the
template's pixels, and each window takes its own frames of them, whatever its crop is.

The photo's product is as large as the old one, by the circle around each, and stands on the same ground. It is made
smaller where it would leave the frame while the old one does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.encoding.collage import GAMMA, GREY, LIGHT, RING, SUPERSAMPLING, Collage, Cutout, cut_out
from pvtt.encoding.crop import bounding_box
from pvtt.generation.ad.standing import Floats, Standing, diameter
from pvtt.generation.ad.stitch import View
from pvtt.media.arrays import Frame, FrameRegion, Region, Rgba, Video

NUM_LOOKS = 9  # frames in which photos are compared
DARKEST = 0.01  # linear light, as `pvtt.encoding.collage` has it
Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """A photo on a track through a shot.

    Args:
        cutout: The photo's product.
        standing: Where it stands in each of the shot's frames, and how large the old product is there.
        scale: Of the photo's size, in the old product's; 1 at most.
    """

    cutout: Cutout
    standing: Standing
    scale: float

    def layers(
        self,
        view: View,
        frame_size: tuple[int, int],
        frames: Sequence[int],
        places: Sequence[int],
        pixels: Video,
        holes: Region,
    ) -> Collage:
        """The photo in a window. A frame's layer is the same in whichever window of one crop it is.

        Args:
            view: The window's crop.
            frame_size: Width and height of the template's frames.
            frames: The window's frames, counted from the shot's first.
            places: Their numbers on the crop's path.
            pixels: The window, (F, H, W, 3), whose light the photo stands in.
            holes: (F, H, W).
        """
        size = (pixels.shape[2], pixels.shape[1])
        drawn = []
        for frame, place, picture, hole in zip(frames, places, pixels, holes, strict=True):
            scale, shift = self._onto(frame)
            window_scale, window_shift = view.affine(frame_size, place)
            layer = _draw(self.cutout.pixels, scale * window_scale, shift * window_scale + window_shift, size)
            colours = (layer[..., :3] * _light(picture, hole)).clip(0, 255 * layer[..., 3:])
            drawn.append(np.concatenate([colours, layer[..., 3:]], axis=-1))
        return Collage(np.stack(drawn).astype(np.float32))

    def likeness(self, old: Region, frame_size: tuple[int, int]) -> float:
        """Mean intersection over union of the old product and the photo's, over some frames.

        Args:
            old: Where the old one is, (F, h, w) at the work size.
            frame_size: Width and height of the template's frames.
        """
        height, width = old.shape[1:]
        factor = np.array([width / frame_size[0], height / frame_size[1]])
        shown = self.standing.shown
        values = []
        for frame in shown[np.unique(np.linspace(0, len(shown) - 1, NUM_LOOKS).round().astype(int))]:
            scale, shift = self._onto(int(frame))
            new = _warp(self.cutout.alpha, scale * factor, shift * factor, (width, height)) >= 0.5
            values.append((new & old[frame]).sum() / (new | old[frame]).sum())
        return float(np.mean(values))

    def box(self, frame: int) -> Floats:
        """Left, top, right and bottom of the photo's product in a frame of the template, (4,); it may leave it."""
        scale, shift = self._onto(frame)
        corners = np.reshape(bounding_box(self.cutout.alpha >= 0.5), (2, 2)) * scale + shift
        return np.asarray(corners.ravel(), np.float64)

    @cached_property
    def _size(self) -> float:
        return diameter(self.cutout.alpha >= 0.5, np.ones(2))

    def _onto(self, frame: int) -> tuple[Floats, Floats]:
        """Where a point of the cutout, (x, y), is in a frame of the template: point · scale + shift."""
        left, _, right, bottom = bounding_box(self.cutout.alpha >= 0.5)
        standing = self.standing
        down = self.scale * standing.size[frame] / self._size
        scale = np.array([down / standing.pixel_aspect, down])
        foot = np.array([standing.middle[frame], standing.ground[frame]])
        return scale, foot - scale * ((left + right) / 2, bottom)


def place_photo(
    photos: Sequence[Rgba], standing: Standing, old: Region, frame_size: tuple[int, int], window: tuple[int, int]
) -> Placement | None:
    """The photo whose outline is most like the old product's, in its place; None where no photo shows anything.

    Args:
        photos: Of the new product, (S, S, 4) each, background removed.
        standing: Where the old one stands.
        old: Its masks, (F, h, w) at the work size.
        frame_size: Width and height of the template's frames.
        window: The same of the model's window.
    """
    cutouts = [cut_out(photo, SUPERSAMPLING * max(window)) for photo in photos]
    placed = [
        Placement(cutout, standing, _fitting(standing, sides_of(cutout), frame_size))
        for cutout in cutouts
        if cutout is not None and (cutout.alpha >= 0.5).any()
    ]
    return max(placed, key=lambda one: one.likeness(old, frame_size)) if placed else None


def sides_of(cutout: Cutout) -> Floats:
    """Width and height of a cutout's product, in diameters of the circle around it, (2,)."""
    region = cutout.alpha >= 0.5
    left, top, right, bottom = bounding_box(region)
    return np.array([right - left, bottom - top], np.float64) / diameter(region, np.ones(2))


def _fitting(standing: Standing, sides: Floats, frame_size: tuple[int, int]) -> float:
    """The largest scale, up to 1, with which a box of these sides is inside the frame while the old product is."""
    at = standing.shown[standing.whole]
    if not len(at):
        return 1.0
    size, middle = standing.size[at], standing.middle[at]
    across = 2 * np.minimum(middle, frame_size[0] - middle) / (size * sides[0] / standing.pixel_aspect)
    return float(min(1.0, across.min(), (standing.ground[at] / (size * sides[1])).min()))


def _draw(picture: Picture, scale: Floats, shift: Floats, size: tuple[int, int]) -> Picture:
    """A picture, (h, w, 4), on an empty frame of this width and height, (H, W, 4), antialiased: reduced by area, then
    drawn at twice the size. A point (x, y) of it comes to point · scale + shift."""
    height, width = picture.shape[:2]
    reduced_size = np.ceil(np.minimum(1.0, SUPERSAMPLING * scale) * (width, height)).astype(int)
    reduced = np.asarray(cv2.resize(picture, reduced_size.tolist(), interpolation=cv2.INTER_AREA), np.float32)
    scale = scale * (width, height) / reduced_size
    large_size = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    large = _warp(reduced, scale * SUPERSAMPLING, shift * SUPERSAMPLING, large_size)
    return np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.float32)


def _warp(picture: Picture, scale: Floats, shift: Floats, size: tuple[int, int]) -> Picture:
    """As `_draw`, of a picture (h, w) or (h, w, 4), with as many pixels as it has."""
    move = scale / 2 + shift - 0.5  # OpenCV counts from the middle of a pixel
    matrix = np.array([[scale[0], 0, move[0]], [0, scale[1], move[1]]])
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(picture), matrix, size, flags=cv2.INTER_LINEAR), np.float32)


def _light(frame: Frame, hole: FrameRegion) -> float:
    """What a photo's colours are multiplied by to stand in the light around a frame's hole: the collage's rule, but
    frame by frame, so that nothing steps between windows."""
    radius = math.ceil(RING * min(hole.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    ring = (cv2.dilate(hole.astype(np.uint8), disc) > 0) & ~hole
    if not ring.any():
        return 1.0
    brightness = ((frame[ring] / 255.0) ** GAMMA).mean()
    return float((max(brightness, DARKEST) / GREY) ** (LIGHT / GAMMA))
