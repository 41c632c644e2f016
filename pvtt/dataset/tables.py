"""The tables that expectations look at: one row a product, clip, mask, photo, file, sample, group, category, split, and
held-out clip and photo.

Every table has a column `name` that identifies the row to a person.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from pvtt.dataset.drift import Drift
from pvtt.dataset.join import Dataset, Sources, rejected_fraction
from pvtt.dataset.looks import Look, find_copies
from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.params.validate import ValidateParams
from pvtt.records.dataset import SPLITS

Tables = dict[str, pd.DataFrame]

COLUMNS = {
    "products": ["name", "category", "title", "license"],
    "clips": [
        "name",
        "product_id",
        "clip_id",
        "known_product",
        "caption_length",
        "num_frames",
        "fps",
        "width",
        "height",
    ],
    "masks": [
        *["name", "num_frames", "clip_num_frames", "width", "clip_width", "height", "clip_height"],
        *["area_mean", "area_max", "border_fraction", "clip_sha256", "current_clip_sha256"],
    ],
    "photos": ["name", "product_id", "sha256", "area"],
    "files": ["name", "state", "seen"],
    "samples": ["name", "product_id", "clip_id", "split", "num_photos"],
    "groups": ["name", "num_products", "fraction", "num_splits"],
    "held_out_clips": ["name", "split", "copy_of"],
    "held_out_photos": ["name", "split", "copy_of"],
    "categories": ["name", "num_train", "num_val", "num_test"],
    "splits": ["name", "num_products", "num_clips", "num_categories", "deviation"],
    "dataset": ["name", "num_products", "num_clips", "rejected_fraction", "copied_fraction", "mask_drift"],
}


def build_tables(
    workspace: Workspace,
    sources: Sources,
    dataset: Dataset,
    params: ValidateParams,
    looks: Sequence[Look] = (),
    drift: Drift = Drift(),  # noqa: B008  # frozen
) -> Tables:
    """All tables, keyed as `COLUMNS`. Checks that files exist and are unchanged.

    Args:
        workspace: Where the files are.
        sources: What the stages before wrote.
        dataset: The samples.
        params: The split's ratios, and how many files are hashed.
        looks: Of the samples' clips and photos.
        drift: Of the masks' areas.
    """
    entries = dataset.entries
    clips = {clip.key: clip for clip in sources.clips}
    known = {product.product_id for product in sources.products}
    rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in COLUMNS}
    for product in sources.products:
        rows["products"].append((product.product_id, product.category, product.title, product.license))
    for clip in sources.clips:
        size = (clip.num_frames, clip.fps, clip.width, clip.height)
        product_id = clip.product_id
        rows["clips"].append((clip.key, product_id, clip.clip_id, product_id in known, len(clip.caption), *size))
    for mask in sources.masks:
        masked = clips.get(mask.key)
        pairs = [getattr(side, key, None) for key in ("num_frames", "width", "height") for side in (mask, masked)]
        areas = (mask.area_mean, mask.area_max, mask.border_fraction)
        rows["masks"].append((mask.key, *pairs, *areas, mask.clip_sha256, getattr(masked, "sha256", None)))
    for photo_set in sources.photo_sets:
        for photo in photo_set.photos:
            rows["photos"].append((photo.path, photo_set.product_id, photo.sha256, photo.area))
    seen = {look.name: look.words is not None for look in looks}
    rows["files"] = [(*row, seen.get(row[0])) for row in _file_rows(workspace, sources, params.max_hashed_files)]
    for entry in entries:
        rows["samples"].append((entry.key, entry.product_id, entry.clip_id, entry.split, len(entry.photo_paths)))
    rows["groups"] = [*_group_rows(dataset)]
    for copy in find_copies(looks):
        original = None if copy.original is None else copy.original.name
        rows[f"held_out_{copy.look.kind}s"].append((copy.look.name, copy.look.split, original))
    rows["categories"] = [*_category_rows(dataset)]
    rows["splits"] = [*_split_rows(dataset, params)]
    copied = [row[2] is not None for row in rows["held_out_clips"]]
    moved = math.nan if drift.beyond_chance is None else drift.beyond_chance
    fractions = (rejected_fraction(sources, dataset), sum(copied) / max(1, len(copied)), moved)
    rows["dataset"] = [("dataset", len(dataset.places), len(entries), *fractions)]
    return {name: pd.DataFrame(rows[name], columns=COLUMNS[name]) for name in COLUMNS}


def _file_rows(workspace: Workspace, sources: Sources, max_hashed: int) -> Iterable[tuple[str, str]]:
    """Each file's state: intact, changed, missing, or not_checked (there, but not among those that are hashed)."""
    files = {f"outs/clip/{clip.path}": clip.sha256 for clip in sources.clips}
    files |= {f"outs/segment/{mask.path}": mask.sha256 for mask in sources.masks}
    photos = [photo for photo_set in sources.photo_sets for photo in photo_set.photos]
    files |= {f"outs/photos/{photo.path}": photo.sha256 for photo in photos}
    # A sample that is the same each time for the same files.
    hashed = set(sorted(files, key=lambda path: hashlib.sha256(path.encode()).digest())[:max_hashed])
    for path, expected in sorted(files.items()):
        file = workspace.root / path
        if not file.is_file():
            yield path, "missing"
        elif path not in hashed:
            yield path, "not_checked"
        else:
            yield path, "intact" if sha256_file(file) == expected else "changed"


def _group_rows(dataset: Dataset) -> Iterable[tuple[str, int, float, int]]:
    """One row a group of near-duplicate products; the splits are those of the samples, not of the plan."""
    members: dict[str, set[str]] = {}
    splits: dict[str, set[str]] = {}
    for entry in dataset.entries:
        group = dataset.places[entry.product_id].group
        members.setdefault(group, set()).add(entry.product_id)
        splits.setdefault(group, set()).add(entry.split)
    for group in sorted(members):
        name = " ".join(sorted(members[group]))
        yield name, len(members[group]), len(members[group]) / len(dataset.places), len(splits[group])


def _category_rows(dataset: Dataset) -> Iterable[tuple[str, int, int, int]]:
    """Products of each category that is trained on, by split."""
    products: dict[str, dict[str, set[str]]] = defaultdict(lambda: {split: set() for split in SPLITS})
    for entry in dataset.entries:
        products[entry.category][entry.split].add(entry.product_id)
    for category, of_split in sorted(products.items()):
        if of_split["train"]:
            yield category, len(of_split["train"]), len(of_split["val"]), len(of_split["test"])


def _split_rows(dataset: Dataset, params: ValidateParams) -> Iterable[tuple[str, int, int, int, float]]:
    num_all = max(1, len(dataset.places))
    for split, ratio in zip(SPLITS, params.split_ratios, strict=True):
        if ratio == 0:
            continue  # nobody wants this split
        entries = [entry for entry in dataset.entries if entry.split == split]
        num_products = len({entry.product_id for entry in entries})
        num_categories = len({entry.category for entry in entries})
        yield split, num_products, len(entries), num_categories, num_products / num_all - ratio
