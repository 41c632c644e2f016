"""What became of each product of `data/`: its media, and how far the data stages took it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from pvtt.files.workspace import Workspace
from pvtt.records.base import Record, read_jsonl
from pvtt.records.catalog import Product, Reject, read_catalog, read_rejects
from pvtt.records.clips import Clip, Mask, PhotoSet
from pvtt.records.dataset import ENTRIES_FILE, DatasetEntry, Split

STAGES = ("clip", "segment", "photos", "validate", "encode")
OfProduct = TypeVar("OfProduct", Clip, Mask, PhotoSet, DatasetEntry)


class ProductState(Record):
    """A product and what the stages made of it."""

    product: Product
    clips: tuple[Clip, ...]
    masks: tuple[Mask, ...]
    num_photos: int  # prepared ones
    splits: tuple[Split, ...]  # of its samples; one, or none where it did not get that far
    num_samples: int
    rejects: tuple[Reject, ...]

    @property
    def num_clip_s(self) -> float:
        """Seconds of its clips."""
        return sum(clip.num_frames / clip.fps for clip in self.clips)

    @property
    def where(self) -> str:
        """Its split, or the stage that it stopped at."""
        if self.splits:
            return ", ".join(self.splits)
        if self.masks and self.num_photos:
            return "prepared"
        return "crawled" if not self.clips else "clipped" if not self.masks else "segmented"


class DataStats(Record):
    """Counts over `data/` and what the stages made of it."""

    num_products: int
    num_videos: int
    num_photos: int
    num_bytes: int
    num_clips: int
    clip_s: float
    num_masks: int
    samples: dict[str, int]  # by split
    categories: dict[str, int]  # products of each; the most first
    sources: dict[str, int]
    licenses: dict[str, int]
    rejects: dict[str, dict[str, int]]  # stage → reason → count
    num_forgotten: int


def read_states(workspace: Workspace) -> dict[str, ProductState]:
    """All products by id, in the ids' order.

    Outputs of stages that have not run count as empty; of an older run, they are what that run made.

    Raises:
        PvttError: A file is damaged or of another version; names it.
    """
    clips = _grouped(workspace.out("clip") / "clips.jsonl", Clip)
    masks = _grouped(workspace.out("segment") / "masks.jsonl", Mask)
    photos = _grouped(workspace.out("photos") / "photos.jsonl", PhotoSet)
    entries = _grouped(workspace.out("validate") / ENTRIES_FILE, DatasetEntry)
    rejects: dict[str, list[Reject]] = defaultdict(list)
    for reject in all_rejects(workspace):
        if reject.product_id is not None:
            rejects[reject.product_id].append(reject)
    return {
        product_id: ProductState(
            product=product,
            clips=tuple(clips[product_id]),
            masks=tuple(masks[product_id]),
            num_photos=sum(len(photo_set.photos) for photo_set in photos[product_id]),
            splits=tuple(sorted({entry.split for entry in entries[product_id]})),
            num_samples=len(entries[product_id]),
            rejects=tuple(rejects[product_id]),
        )
        for product_id, product in read_catalog(workspace.data).items()
    }


def all_rejects(workspace: Workspace) -> tuple[Reject, ...]:
    """What the crawl and the stages turned away, in the stages' order. Raises as `read_states`."""
    return read_rejects([workspace.data, *(workspace.out(stage) for stage in STAGES)])


def count(states: Iterable[ProductState], rejects: Iterable[Reject], num_forgotten: int) -> DataStats:
    """The counts of some products.

    Args:
        states: The products.
        rejects: What was turned away; those of pages that gave no product too.
        num_forgotten: Tombstones.
    """
    states = list(states)
    media = [medium for state in states for medium in (*state.product.videos, *state.product.photos)]
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for reject in rejects:
        reasons[reject.stage][reject.reason] += 1
    return DataStats(
        num_products=len(states),
        num_videos=sum(len(state.product.videos) for state in states),
        num_photos=sum(len(state.product.photos) for state in states),
        num_bytes=sum(medium.num_bytes for medium in media),
        num_clips=sum(len(state.clips) for state in states),
        clip_s=round(sum(state.num_clip_s for state in states), 1),
        num_masks=sum(len(state.masks) for state in states),
        samples=_most_first(split for state in states for split in state.splits for _ in range(state.num_samples)),
        categories=_most_first(state.product.category for state in states),
        sources=_most_first(state.product.source for state in states),
        licenses=_most_first(state.product.license or "none named" for state in states),
        rejects={stage: dict(sorted(counts.items())) for stage, counts in reasons.items()},
        num_forgotten=num_forgotten,
    )


def _most_first(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _grouped(path: Path, kind: type[OfProduct]) -> defaultdict[str, list[OfProduct]]:
    """The records of a file by product; none where its stage has not run."""
    found: defaultdict[str, list[OfProduct]] = defaultdict(list)
    for record in read_jsonl(path, kind) if path.is_file() else ():
        found[record.product_id].append(record)
    return found
