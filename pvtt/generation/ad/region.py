"""Where the new product comes: for each frame a crop around it and a hole in the crop, as the model was trained on.

    masks of the old product, with room for the new one ──► a smooth crop that follows them ──► holes in the crop
    (of the work size)           (`with_room`)              (`CropPath.follow`)              (`conditioning_mask`)
        └──► a photo in its place, one for all of the shot (`place_photo`)

A shot is planned in stretches of whole windows: a stretch has one crop size and one smooth path. Most shots are one
stretch; one in which the product's size or direction changes much is halved until a path holds it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from pvtt.encoding.collage import cut_out
from pvtt.encoding.crop import MARGIN, CropDraw, CropPath, bounding_box
from pvtt.encoding.masks import MaskShape, conditioning_mask, product_mask
from pvtt.generation.ad.placement import Placement, place_photo, sides_of
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.ad.settings import ModelFormat
from pvtt.generation.ad.standing import Floats, Standing, follow
from pvtt.generation.ad.stitch import View
from pvtt.media.arrays import FrameRegion, Region, Rgba
from pvtt.models.contracts import MaskContract
from pvtt.params.encode import MaskParams

LOOSER = (1.0, 1.5, 2.25)  # how much larger a crop may get to hold the product all along its path
MIN_RELATIVE_AREA = 0.4  # of a stretch's largest product box its smallest may have, so that the product is seen large
MAX_REGION = 0.9  # of the frame, on average: with more, nothing of the template is left
NUM_LOOKS = 5  # frames of a stretch at which that is looked
FINE = 1000  # parts of a pixel in which a crop's ratio is given where pixels are not square


@dataclass(frozen=True)
class Stretch:
    """Frames of a shot with one crop.

    Args:
        first: The first, counted from the shot's.
        last: The last; the next stretch begins with it again.
        view: The crop; None where no frame has a hole.
        holes: Where to generate in the crop, (frames, window height, window width).
        old: Where the old product itself is in the crop, likewise.
    """

    first: int
    last: int
    view: View | None
    holes: Region
    old: Region

    def hole(self, index: int) -> FrameRegion:
        """The hole of a frame of the shot, (window height, window width)."""
        return self.holes[index - self.first]


@dataclass(frozen=True)
class ShotPlan:
    """How a shot is generated.

    Args:
        num_frames: Of the shot.
        window: Frames of a window.
        stretches: In order.
        placement: The new product's photo in its place; None where there is no photo or no old product.
    """

    num_frames: int
    window: int
    stretches: tuple[Stretch, ...]
    placement: Placement | None

    @property
    def windows(self) -> list[range]:
        """The frames of each window; each begins with the last frame of the one before, the last may be shorter."""
        return windows_of(self.num_frames, self.window)

    def stretch_of(self, window: range) -> Stretch:
        """The stretch that a window is in."""
        return next(one for one in self.stretches if one.first <= window[0] and window[-1] <= one.last)

    @property
    def num_generated(self) -> int:
        """Windows that have a hole."""
        return sum(self.has_hole(window) for window in self.windows)

    def has_hole(self, window: range) -> bool:
        """Whether anything is to be generated in a window."""
        stretch = self.stretch_of(window)
        return bool(stretch.holes[window[0] - stretch.first : window[-1] + 1 - stretch.first].any())

    def boxes(self, frame_size: tuple[int, int]) -> Floats:
        """The box around each frame's region, with a pixel of room, (F, 4): left, top, right and bottom in a frame of
        this width and height; NaN where there is none."""
        boxes = np.full((self.num_frames, 4), np.nan)
        for index in range(self.num_frames):
            stretch = next(one for one in self.stretches if one.first <= index <= one.last)
            hole = stretch.hole(index)
            if stretch.view is not None and hole.any():
                scale, shift = stretch.view.affine(frame_size, index - stretch.first)
                edges = (np.reshape(bounding_box(hole), (2, 2)) - shift) / scale
                boxes[index] = _whole_pixels(edges, frame_size)
        return boxes

    def product_boxes(self, frame_size: tuple[int, int]) -> Floats:
        """As `boxes`, of the photo in its place alone: the region has room around it."""
        boxes = self.boxes(frame_size)
        if self.placement is not None:
            for index in np.flatnonzero(np.isfinite(boxes[:, 0])):
                boxes[index] = _whole_pixels(np.reshape(self.placement.box(int(index)), (2, 2)), frame_size)
        return boxes


def _whole_pixels(edges: Floats, frame_size: tuple[int, int]) -> Floats:
    """Left and top, right and bottom, (2, 2), with a pixel of room and inside the frame, (4,)."""
    return np.concatenate([np.floor(edges[0]) - 1, np.ceil(edges[1]) + 1]).clip(0, [*frame_size] * 2)


def windows_of(num_frames: int, window: int) -> list[range]:
    """A shot's windows, each of which begins with the last frame of the one before."""
    step = max(1, window - 1)
    count = max(1, math.ceil((num_frames - 1) / step))
    return [range(number * step, min(num_frames, number * step + window)) for number in range(count)]


def plan_shot(
    product: Region,
    photos: Sequence[Rgba],
    model: ModelFormat,
    frame_size: tuple[int, int],
    pixel_aspect: Fraction,
    rate: Fraction,
) -> ShotPlan:
    """Plan a shot.

    Args:
        product: Where the old product is, (F, h, w) at the work size.
        photos: Of the new one, (S, S, 4) each, background removed.
        model: What the model takes.
        frame_size: Width and height of the template's frames.
        pixel_aspect: Width of a pixel over its height.
        rate: Frames a second.

    Raises:
        AdError: The region is nearly the whole frame.
    """
    covered, placement = product, None
    if product.any():
        standing = follow(product, frame_size, pixel_aspect, rate)
        covered = with_room(product, photos, standing, frame_size)
        placement = place_photo(photos, standing, product, frame_size, model.size)
    windows = windows_of(len(covered), model.num_frames)
    planner = _Planner(product, covered, windows, model, frame_size, pixel_aspect)
    stretches = tuple(planner.stretches(0, len(windows)))
    share = _share(stretches, frame_size)
    if share > MAX_REGION:
        raise AdError(
            f"the region of the new product covers {share:.0%} of the frame: nothing of the template would be left",
            "leave the shot out with --shots, or say where the product is with --point, --box or --mask",
            "region_too_large",
        )
    return ShotPlan(len(covered), model.num_frames, stretches, placement)


def with_room(product: Region, photos: Sequence[Rgba], standing: Standing, frame_size: tuple[int, int]) -> Region:
    """Where the old product is, with room for the new one, (F, h, w): boxes, as in the training (`pvtt.encoding.room`).

    Each is as wide as the widest photo and as high as the highest, and stands where the old product does; a frame
    without that gets none.

    Args:
        product: Where the old one is, (F, h, w) at the work size.
        photos: Of the new one, (S, S, 4) each, background removed.
        standing: Where the old one stands.
        frame_size: Width and height of the template's frames.
    """
    height, width = product.shape[1:]
    cutouts = [cutout for photo in photos if (cutout := cut_out(photo, max(photo.shape))) is not None]
    covered = product.copy()
    if cutouts:
        boxes = standing.boxes(np.max([sides_of(cutout) for cutout in cutouts], axis=0))
        edges = np.rint(boxes * np.tile([width / frame_size[0], height / frame_size[1]], 2))
        for index in standing.shown:
            left, top, right, bottom = edges[index].clip(0, [width, height] * 2).astype(int)
            covered[index, top:bottom, left:right] = True
    return covered


def _share(stretches: Sequence[Stretch], frame_size: tuple[int, int]) -> float:
    """Of the frame that regions cover, on average over some of the frames that have one."""
    shares = []
    for stretch in stretches:
        shown = np.flatnonzero(stretch.holes.any(axis=(1, 2)))
        if stretch.view is not None:
            looked_at = shown[:: max(1, len(shown) // NUM_LOOKS)]
            shares += [stretch.view.region(frame_size, place, stretch.holes[place]).mean() for place in looked_at]
    return float(np.mean(shares)) if shares else 0.0


class _Planner:
    """Makes the stretches of a shot."""

    def __init__(
        self,
        product: Region,
        covered: Region,
        windows: list[range],
        model: ModelFormat,
        frame_size: tuple[int, int],
        pixel_aspect: Fraction,
    ) -> None:
        self._product, self._covered, self._windows, self._model = product, covered, windows, model
        height, width = covered.shape[1:]
        self._factor = np.array([frame_size[0] / width, frame_size[1] / height])
        # A crop's ratio in stored pixels, which need not be square.
        size = model.size
        self._ratio_size = (round(size[0] * FINE / pixel_aspect), size[1] * FINE) if pixel_aspect != 1 else size
        self._boxes = [bounding_box(frame) if frame.any() else None for frame in covered]

    def stretches(self, begin: int, end: int) -> Iterator[Stretch]:
        """The stretches of the windows `begin` to `end`, without the last."""
        first, last = self._windows[begin][0], self._windows[end - 1][-1]
        covered = self._covered[first : last + 1]
        width, height = self._model.size
        if not covered.any():
            empty = np.zeros((len(covered), height, width), np.bool_)
            yield Stretch(first, last, None, empty, empty)
            return
        path, pad, holds = self._path(first, last)
        if not holds and end - begin > 1:
            middle = (begin + end) // 2
            yield from self.stretches(begin, middle)
            yield from self.stretches(middle, end)
            return
        contract = self._model.contracts.mask
        holes = conditioning_mask(_in_crop(covered, path, pad), _shape(contract), contract.dilation)
        old = _in_crop(self._product[first : last + 1], path, pad)
        yield Stretch(first, last, self._view(path, pad), holes, old)

    def _path(self, first: int, last: int) -> tuple[CropPath, tuple[int, int], bool]:
        """A crop at the work size, the padding (right and left, below and above) that it needs, and whether it holds
        the product as it should."""
        covered = self._covered[first : last + 1]
        boxes = np.array([box for box in self._boxes[first : last + 1] if box is not None], np.float64)
        extents = boxes[:, 2:] - boxes[:, :2]
        pad = self._padding(extents.max(axis=0))
        padded = _pad(covered, pad)
        crop = self._model.contracts.crop
        if not crop.follow:
            height, width = padded.shape[1:]
            return CropPath.whole(len(padded), (width, height), self._model.size), pad, True
        even = extents.prod(axis=1).min() >= MIN_RELATIVE_AREA * extents.prod(axis=1).max()
        for looser in LOOSER:
            path = CropPath.follow(padded, CropDraw(crop.fill / looser), self._ratio_size)
            if holds := _holds(path, padded):
                break
        return replace(path, size=self._model.size), pad, bool(holds and even)

    def _padding(self, extent: npt.NDArray[np.float64]) -> tuple[int, int]:
        """Pixels to add on both sides, and above and below: none where a crop inside the frame holds the product."""
        height, width = self._covered.shape[1:]
        aspect = self._ratio_size[0] / self._ratio_size[1]
        whole = max(width, height * aspect)  # of the smallest crop around the whole frame
        needed = min(whole, MARGIN * max(extent[0], extent[1] * aspect)) if self._model.contracts.crop.follow else whole
        return (
            max(0, math.ceil((needed - width) / 2)),
            max(0, math.ceil((needed / aspect - height) / 2)),
        )

    def _view(self, path: CropPath, pad: tuple[int, int]) -> View:
        """The crop in the template's own pixels."""
        full_pad = round(float(pad[0] * self._factor[0])), round(float(pad[1] * self._factor[1]))
        corners = (path.corners - pad) * self._factor + full_pad
        crop_size = float(path.crop_size[0] * self._factor[0]), float(path.crop_size[1] * self._factor[1])
        return View(CropPath(corners, crop_size, path.size), full_pad)


def _in_crop(regions: Region, path: CropPath, pad: tuple[int, int]) -> Region:
    """What of regions, (F, h, w), a crop shows, (F, window height, window width)."""
    coverage = [np.where(frame, np.uint8(255), np.uint8(0)) for frame in _pad(regions, pad)]
    return product_mask(np.stack([path.cut(frame, place) for place, frame in enumerate(coverage)]))


def _shape(contract: MaskContract) -> MaskShape:
    fractions = {name: getattr(contract, name) for name in ("box_fraction", "grid_fraction", "shape_fraction")}
    return MaskShape.evaluation(MaskParams(**fractions))


def _pad(regions: Region, pad: tuple[int, int]) -> Region:
    return np.pad(regions, ((0, 0), (pad[1], pad[1]), (pad[0], pad[0]))) if any(pad) else regions


def _holds(path: CropPath, product: Region) -> bool:
    """Whether the whole product is inside the crop in every frame, to a pixel."""
    for corner, frame in zip(path.corners, product, strict=True):
        if frame.any():
            left, top, right, bottom = bounding_box(frame)
            inside = left >= corner[0] - 1 and top >= corner[1] - 1
            if not inside or right > corner[0] + path.crop_size[0] + 1 or bottom > corner[1] + path.crop_size[1] + 1:
                return False
    return True
