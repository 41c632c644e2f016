"""What a sample is given of its product: photos that show no moment of its clip, or else the product of other clips."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pvtt.encoding.masks import product_mask
from pvtt.encoding.moments import Moments
from pvtt.encoding.photos import read_photo
from pvtt.encoding.windows import UnusableClipError
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import MaskVideo, Region, Rgba
from pvtt.media.cutouts import letterbox
from pvtt.media.masks import read_masks
from pvtt.media.video import select_frames, to_rgb
from pvtt.params.encode import EncodeParams
from pvtt.params.photos import PhotosParams
from pvtt.records.catalog import Reject
from pvtt.records.dataset import DatasetEntry, EncodedSample, OtherClip

AS_PHOTOS = PhotosParams()  # cut-outs of frames are as large as photos are, with the same margin


@dataclass(frozen=True)
class References:
    """A sample's references.

    Args:
        pictures: The product cut out, (S, S, 4) each, at least one.
        photos: The photos that they are, by their places in the entry; none where other clips serve.
        own_moments: The photos that show a moment of the clip, the same way.
        clips: For each picture the id of the clip that it is cut out of; none where photos serve.
    """

    pictures: tuple[Rgba, ...]
    photos: tuple[int, ...]
    own_moments: tuple[int, ...]
    clips: tuple[str, ...] = ()


def pair_references(
    entry: DatasetEntry, others: Sequence[OtherClip], coverage: MaskVideo, root: Path, params: EncodeParams
) -> References:
    """Choose a sample's references.

    Args:
        entry: The sample.
        others: Its product's other clips.
        coverage: The product's over the sample's clip, (F, H, W) uint8 of 255.
        root: The workspace's root, which paths are relative to.
        params: How many, and how far apart hashes of one moment may be.

    Raises:
        UnusableClipError: `no_reference`: every photo shows a moment of the clip, and so do the other clips, or there
            are none.
        PvttError: A file is damaged or missing.
    """
    most = params.own_moment_distance
    moments = Moments.read(root / entry.clip_path, coverage, entry.fps)
    photos = [read_photo(root / path) for path in entry.photo_paths]
    wholes: list[int | None] = [int(one, 16) for one in entry.photo_hashes]
    wholes = wholes or [None] * len(photos)
    own = tuple(
        place
        for place, (photo, whole) in enumerate(zip(photos, wholes, strict=True))
        if moments.show(photo, whole, most)
    )
    kept = tuple(place for place in range(len(photos)) if place not in own)[: params.max_photos]
    if kept:
        return References(tuple(photos[place] for place in kept), kept, own)
    each = math.ceil(params.max_photos / max(1, len(others)))
    cut = [
        (picture, other.clip_id)
        for other in others
        for picture in _cut_out(other, root, each)
        if not moments.show(picture, None, most)
    ][: params.max_photos]
    if not cut:
        without = f"all {len(photos)} photos show a moment of the clip itself" if photos else "the product has no photo"
        films = f"so do its {len(others)} other clips" if others else "it has no other clip"
        raise UnusableClipError("no_reference", f"{without}, and {films}")
    return References(tuple(picture for picture, _ in cut), (), own, tuple(clip for _, clip in cut))


def other_clips(entries: Sequence[DatasetEntry], most: int) -> dict[str, tuple[OtherClip, ...]]:
    """For each sample, by key, other clips of its product in their order, `most` at most. Truths of transfers are none:
    no training may see them."""
    clips: dict[str, list[DatasetEntry]] = defaultdict(list)
    for entry in entries:
        if entry.track == "reconstruct":
            clips[entry.product_id].append(entry)
    return {
        entry.key: tuple(
            OtherClip.model_validate({name: getattr(other, name) for name in OtherClip.model_fields})
            for other in clips[entry.product_id]
            if other.key != entry.key
        )[:most]
        for entry in entries
    }


def own_moments(samples: Sequence[EncodedSample]) -> list[Reject]:
    """A row for each photo that is no reference of a sample, since it shows a moment of the sample's own clip."""
    return [
        Reject(
            stage="encode",
            item=f"{sample.key}/{path.rsplit('/', 1)[-1]}",
            product_id=sample.product_id,
            reason="own_moment",
            message=f"{path} shows a moment of the clip itself: a model would learn to copy it",
        )
        for sample in samples
        for path in sample.own_moments
    ]


def describe_pairing(samples: Sequence[EncodedSample], rejects: Sequence[Reject]) -> str | None:
    """How many photos, samples and rejects it is about, in a line; None where nothing had to be done."""
    dropped = sum(len(sample.own_moments) for sample in samples)
    crossed = sum(bool(sample.reference_clips) for sample in samples)
    refused = sum(reject.reason == "no_reference" for reject in rejects)
    if not (dropped or crossed or refused):
        return None
    return (
        f"{dropped} photos show a moment of the clip itself and are no references for it (own_moment); {crossed} "
        f"samples have their product cut out of other clips instead; {refused} have no reference and are left out "
        "(no_reference)"
    )


def _cut_out(other: OtherClip, root: Path, count: int) -> Iterator[Rgba]:
    """The product in frames spread evenly over a clip, whole where any frame shows it whole."""
    coverage = read_masks(root / other.mask_path)
    product = product_mask(coverage)
    whole = np.flatnonzero(product.any(axis=(1, 2)) & ~_touches_the_border(product))
    shown = whole if len(whole) else np.flatnonzero(product.any(axis=(1, 2)))
    if not len(shown):
        return
    places = sorted({int(shown[(2 * number + 1) * len(shown) // (2 * count)]) for number in range(count)})
    height, width = coverage.shape[1:]
    frames = select_frames(root / other.clip_path, places, lambda frame: to_rgb(frame, width, height))
    for frame, place in zip(frames, places, strict=True):
        try:
            yield letterbox(np.dstack([frame, coverage[place]]), AS_PHOTOS.size, AS_PHOTOS.margin)
        except ItemRejectedError:  # it is too small to be seen
            continue


def _touches_the_border(product: Region) -> np.ndarray:
    """Whether the product is cut off by the frame's edge, (F,) bool."""
    edges = (product[:, 0], product[:, -1], product[:, :, 0], product[:, :, -1])
    return np.asarray(np.stack([edge.any(axis=1) for edge in edges]).any(axis=0))
