"""Windows: the frames of a clip that make one sample, cropped around the product to the encode size.

A window is `num_frames` frames, `frame_stride` clip frames apart. Sample variant 0, and with it every evaluation, takes
the middle one with the fixed framing; other variants start anywhere and are framed at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pvtt.encoding.crop import CropDraw, CropPath
from pvtt.encoding.masks import MaskShape, conditioning_mask, product_mask
from pvtt.encoding.photos import read_photos
from pvtt.encoding.room import room_for
from pvtt.errors import PvttError
from pvtt.media.arrays import MaskVideo, Region, Rgba, Video
from pvtt.media.masks import read_masks
from pvtt.media.video import select_frames, to_rgb
from pvtt.params.encode import EncodeParams
from pvtt.records.dataset import DatasetEntry

MAX_ASPECT_DIFFERENCE = 0.03


class UnusableClipError(Exception):
    """A clip that gives no window. `reason` is a code for the reject table."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class WindowPlace:
    """Where a window lies in its clip: the index of its first frame, and how it is framed."""

    start: int
    crop: CropDraw


@dataclass(frozen=True)
class Window:
    """One sample's frames.

    Args:
        pixels: (F, H, W, 3) uint8 RGB.
        coverage: The product's coverage of each pixel, (F, H, W) uint8 of 255, from segmentation.
    """

    pixels: Video
    coverage: MaskVideo

    @property
    def product(self) -> Region:
        """Where the product is, (F, H, W)."""
        return product_mask(self.coverage)


@dataclass(frozen=True)
class WindowPair:
    """What a sample asks for, and what it is made from.

    Args:
        truth: The product, as it should be.
        template: The same frames as they are given: the same window, or, in a transfer, with another product, whose
            coverage it has.
        covered: What the hole must cover, (F, H, W).
    """

    truth: Window
    template: Window
    covered: Region


@dataclass(frozen=True)
class EvaluationWindow:
    """What evaluation compares and conditions on: variant 0 of the encoded sample, as pixels.

    Args:
        pixels: The truth, (F, H, W, 3) uint8 RGB.
        template: What is given of it outside the mask, (F, H, W, 3); the truth itself but in a transfer.
        product: Where the product is in the truth, (F, H, W).
        mask: Conditioning mask, 1 = generate, (F, H, W).
        replaced: Where the template's own product is, by segmentation, (F, H, W); `product` itself but in a transfer.
    """

    pixels: Video
    template: Video
    product: Region
    mask: Region
    replaced: Region


def span(params: EncodeParams) -> int:
    """Clip frames from a window's first to its last."""
    return (params.num_frames - 1) * params.frame_stride + 1


def window_starts(coverage: MaskVideo, params: EncodeParams) -> list[int]:
    """The clip frames that a window can start at: all that leave it whole and show the product in its first frame.

    Args:
        coverage: The whole clip's, (clip frames, H, W) uint8.
        params: Window length and stride.

    Raises:
        UnusableClipError: The clip is too short, or no window shows the product.
    """
    num_starts = len(coverage) - span(params) + 1
    if num_starts < 1:
        raise UnusableClipError("too_short", f"{len(coverage)} frames, but a window spans {span(params)}")
    starts = [start for start in range(num_starts) if product_mask(coverage[start]).any()]
    if not starts:
        raise UnusableClipError("no_product", "no window shows the product in its first frame")
    return starts


def middle(starts: Sequence[int]) -> int:
    """The start of variant 0."""
    return starts[len(starts) // 2]


def read_coverage(entry: DatasetEntry, root: Path, params: EncodeParams) -> MaskVideo:
    """The product's coverage over the whole clip, (clip frames, clip height, clip width) uint8 of 255.

    Args:
        entry: The sample, with the paths of its clip and mask.
        root: The workspace's root, which the entry's paths are relative to.
        params: Height and width that windows are resized to.

    Raises:
        PvttError: The clip's aspect ratio is not the encode size's; mask files as `pvtt.media.masks.read_masks`.
    """
    if abs(entry.width / entry.height * params.height / params.width - 1) > MAX_ASPECT_DIFFERENCE:
        raise PvttError(
            f"encode's {params.width}×{params.height} would distort {entry.clip_path}, {entry.width}×{entry.height}",
            "give clip.width/height and encode.width/height in params.yaml the same ratio",
        )
    return read_masks(root / entry.mask_path)


def read_windows(
    clip: Path,
    params: EncodeParams,
    coverage: MaskVideo,
    places: Sequence[WindowPlace],
    followed: MaskVideo | None = None,
) -> list[Window]:
    """The windows at `places`; the clip is decoded once.

    Args:
        clip: The video; it is read in the size of `coverage`.
        params: Size and length of a window.
        coverage: The product's over the whole clip, as `read_coverage` gives it.
        places: Where windows are wanted; in the first frame of each the product is seen.
        followed: What the windows follow, shaped as `coverage`; None: the product.

    Raises:
        VideoError, MissingCodecError: As `pvtt.media.video.VideoReader`.
    """
    indices = [_frames_of(place, params) for place in places]
    wanted = sorted({index for frames in indices for index in frames})
    height, width = coverage.shape[1:]
    frames = dict(zip(wanted, select_frames(clip, wanted, lambda frame: to_rgb(frame, width, height)), strict=True))
    followed = coverage if followed is None else followed
    windows = []
    for place, frame_indices in zip(places, indices, strict=True):
        path = crop_path(followed[list(frame_indices)], place.crop, params)
        windows.append(
            Window(
                np.stack([path.cut(frames[index], number) for number, index in enumerate(frame_indices)]),
                np.stack([path.cut(coverage[index], number) for number, index in enumerate(frame_indices)]),
            )
        )
    return windows


def _frames_of(place: WindowPlace, params: EncodeParams) -> range:
    return range(place.start, place.start + span(params), params.frame_stride)


def read_transfer(
    entry: DatasetEntry, root: Path, params: EncodeParams, photos: Sequence[Rgba]
) -> tuple[WindowPair, int]:
    """A transfer as inference meets it: hole and crop follow from the template and the photos alone.

    The window is the middle one of the template. Its hole covers the old product, and has room for the new one.

    Args:
        entry: A sample of the track *transfer*: its template, and the truth as its clip.
        root: The workspace's root, which the entry's paths are relative to.
        params: Size, length and framing of a window.
        photos: Of the new product, (S, S, 4) each.

    Returns:
        The window, and how many windows the template has.

    Raises:
        UnusableClipError: As `window_starts`, of the template.
        PvttError: As `read_coverage` and `read_windows`.
    """
    assert entry.template is not None
    own = read_coverage(entry, root, params)
    before = read_masks(root / entry.template.mask_path)
    starts = window_starts(before, params)
    if own.shape[1:] != before.shape[1:]:  # a truth is kept in its own size, a clip in the profile's
        size = before.shape[:0:-1]
        own = np.stack([np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8) for mask in own])
    place = WindowPlace(middle(starts), CropDraw.evaluation(params.crop))
    (pair,) = read_transfers(entry, root, params, own, [place], photos)
    return pair, len(starts)


def crop_path(coverage: MaskVideo, draw: CropDraw, params: EncodeParams) -> CropPath:
    """Where a window lies whose frames have this coverage, (F, clip height, clip width) uint8 of 255."""
    size = (params.width, params.height)
    if not params.crop.follow:
        num_frames, height, width = coverage.shape
        return CropPath.whole(num_frames, (width, height), size)
    return CropPath.follow(product_mask(coverage), draw, size)


def read_transfers(
    entry: DatasetEntry,
    root: Path,
    params: EncodeParams,
    coverage: MaskVideo,
    places: Sequence[WindowPlace],
    photos: Sequence[Rgba],
) -> list[WindowPair]:
    """The windows at `places` of a sample's clip and of its template, as inference meets them.

    Hole and crop follow from the template and the photos alone: the hole covers the old product, and has room for the
    new one.

    Args:
        entry: The sample, with the paths of its clip and of its template.
        root: The workspace's root, which the entry's paths are relative to.
        params: Size and length of a window.
        coverage: The product's over the whole clip, in the size of the template's masks.
        places: Where windows are wanted.
        photos: Of the new product, (S, S, 4) each.

    Raises:
        UnusableClipError: The sample has no template.
        PvttError: As `read_coverage` and `read_windows`.
    """
    if entry.template is None:
        raise UnusableClipError(
            "no_template", "no film of the same shot with another product: a model without a mask would learn to copy"
        )
    before = read_masks(root / entry.template.mask_path)
    pairs = []
    for place in places:
        shown, covered = list(_frames_of(place, params)), before.copy()
        covered[shown] = np.where(room_for(product_mask(before[shown]), photos), 255, covered[shown])
        (template,) = read_windows(root / entry.template.clip_path, params, before, [place], covered)
        (truth,) = read_windows(root / entry.clip_path, params, coverage, [place], covered)
        path = crop_path(covered[shown], place.crop, params)
        hole = np.stack([path.cut(covered[index], number) for number, index in enumerate(shown)])
        pairs.append(WindowPair(truth, template, product_mask(hole)))
    return pairs


def load_window(entry: DatasetEntry, root: Path, params: EncodeParams, from_template: bool = False) -> EvaluationWindow:
    """Variant 0 of a sample, as pixels.

    Args:
        entry: The sample, with the paths of its clip and mask.
        root: The workspace's root, which the entry's paths are relative to.
        params: The settings that the sample was encoded with.
        from_template: It was encoded as a transfer from its template.

    Raises:
        UnusableClipError: As `window_starts` and `read_transfers`.
        PvttError: As `read_coverage` and `read_windows`.
    """
    photos = read_photos(entry, root, params.max_photos)
    if entry.track == "transfer":
        pair, _ = read_transfer(entry, root, params, photos)
    else:
        coverage = read_coverage(entry, root, params)
        place = WindowPlace(middle(window_starts(coverage, params)), CropDraw.evaluation(params.crop))
        if from_template:
            (pair,) = read_transfers(entry, root, params, coverage, [place], photos)
        else:
            (window,) = read_windows(root / entry.clip_path, params, coverage, [place])
            pair = WindowPair(window, window, window.product)
    mask = conditioning_mask(pair.covered, MaskShape.evaluation(params.mask), params.mask.dilation)
    return EvaluationWindow(
        pixels=pair.truth.pixels,
        template=pair.template.pixels,
        product=pair.truth.product,
        mask=mask,
        replaced=pair.template.product,
    )
