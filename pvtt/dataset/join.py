"""From the tables of the stages before to samples: which clips can be used, and why the others cannot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pvtt.dataset.split import Place, assign_splits
from pvtt.params.file import Params
from pvtt.records.catalog import Product, Reject
from pvtt.records.clips import Clip, Mask, Photo, PhotoSet
from pvtt.records.dataset import DatasetEntry

STAGE = "validate"


@dataclass(frozen=True)
class Sources:
    """What the stages before wrote."""

    products: tuple[Product, ...]
    clips: tuple[Clip, ...]
    masks: tuple[Mask, ...]
    photo_sets: tuple[PhotoSet, ...]
    rejects: tuple[Reject, ...]


@dataclass(frozen=True)
class Dataset:
    """The samples, sorted by key; the places of their products; what was left out."""

    entries: tuple[DatasetEntry, ...]
    places: dict[str, Place]
    left_out: tuple[Reject, ...]


def join(sources: Sources, params: Params) -> Dataset:
    """Join clips with their masks and photos, and split them by product.

    Left out: clips without a mask (`no_mask`), products with fewer than `photos.min_photos` photos (`too_few_photos`),
    and products without any usable clip (`no_clip`).
    """
    masks = {mask.key: mask for mask in sources.masks}
    photos = {photo_set.product_id: photo_set.photos for photo_set in sources.photo_sets}
    clips: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(sources.clips, key=lambda clip: clip.key):
        clips[clip.product_id].append(clip)

    left_out: list[Reject] = []
    usable: dict[str, list[Clip]] = {}

    def leave_out(item: str, product_id: str, reason: str, message: str) -> None:
        left_out.append(Reject(stage=STAGE, item=item, product_id=product_id, reason=reason, message=message))

    for product in sources.products:
        product_id = product.product_id
        masked = [clip for clip in clips[product_id] if clip.key in masks]
        for clip in clips[product_id]:
            if clip.key not in masks:
                leave_out(clip.key, product_id, "no_mask", "the clip has no mask: see outs/segment/rejects.jsonl")
        num_photos = len(photos.get(product_id, ()))
        if not masked:
            message = f"none of its {len(product.videos)} videos gave a clip with a mask"
            leave_out(product_id, product_id, "no_clip", message)
        elif num_photos < params.photos.min_photos:
            message = f"{num_photos} usable photos, fewer than photos.min_photos={params.photos.min_photos}"
            leave_out(product_id, product_id, "too_few_photos", message)
        else:
            usable[product_id] = masked

    places = assign_splits(sources.products, sources.photo_sets, usable, params.validate_)
    entries = [
        _entry(clip, masks[clip.key], photos.get(product_id, ()), places[product_id])
        for product_id, product_clips in usable.items()
        for clip in product_clips
    ]
    return Dataset(tuple(sorted(entries, key=lambda entry: entry.key)), places, tuple(left_out))


def _entry(clip: Clip, mask: Mask, photos: Sequence[Photo], place: Place) -> DatasetEntry:
    return DatasetEntry(
        split=place.split,
        product_id=clip.product_id,
        clip_id=clip.clip_id,
        category=clip.category,
        caption=clip.caption,
        clip_path=f"outs/clip/{clip.path}",
        mask_path=f"outs/segment/{mask.path}",
        photo_paths=tuple(f"outs/photos/{photo.path}" for photo in photos),
        clip_sha256=clip.sha256,
        mask_sha256=mask.sha256,
        photo_sha256s=tuple(photo.sha256 for photo in photos),
        photo_hashes=tuple(photo.perceptual_hash for photo in photos),
        num_frames=clip.num_frames,
        fps=clip.fps,
        width=clip.width,
        height=clip.height,
    )


def summarise(sources: Sources, dataset: Dataset) -> dict[str, dict[str, dict[str, int]]]:
    """Counts for `metrics/validate.json`: products and clips a split, and rejects a stage and reason."""
    splits = {"train": 0, "val": 0, "test": 0}
    products, clips = dict(splits), dict(splits)
    for place in dataset.places.values():
        products[place.split] += 1
    for entry in dataset.entries:
        clips[entry.split] += 1
    rejected: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for reject in (*sources.rejects, *dataset.left_out):
        rejected[reject.stage][reject.reason] += 1
    sorted_rejects = {stage: dict(sorted(reasons.items())) for stage, reasons in sorted(rejected.items())}
    return {"splits": {"products": products, "clips": clips}, "rejected": sorted_rejects}


def rejected_fraction(sources: Sources, dataset: Dataset) -> float:
    """Shots, clips and whole videos that clip and segment turned away, of all that they saw."""
    num_rejected = sum(reject.stage in ("clip", "segment") for reject in sources.rejects)
    return num_rejected / max(1, num_rejected + len(sources.masks))
