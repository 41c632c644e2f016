"""The dataset in the folder layout of the experiment document's section 2.3.

DIR/dataset.json
DIR/videos/{product}_{clip}.mp4          the clips
DIR/masked/{product}_{clip}.mp4          the clips with the product's pixels set to 0
DIR/masks/{product}_{clip}/00000.png …   one mask a frame, 255 = product
DIR/product_images/{product}/00.png …    the photos, with alpha
DIR/entries.jsonl                        ours: what dataset.json has no field for, so that `pvtt import` loses nothing
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from pydantic import Field

from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_directory, sweep_temporaries_of
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.runner import Item, run_items
from pvtt.media.arrays import Frame
from pvtt.media.images import write_png
from pvtt.media.masks import iter_masks
from pvtt.media.video import iter_frames, write_video
from pvtt.records.base import Record, write_jsonl
from pvtt.records.dataset import ENTRIES_FILE, DatasetEntry, DatasetFile

STAGE = "export"


class ClipAndMask(Record):
    """One clip to export; where it is is no part of its identity in the item cache."""

    clip: Path = Field(exclude=True)
    mask: Path = Field(exclude=True)
    fps: float


class ExportParams(Record):
    """What the exported files depend on besides the dataset."""

    crf: int = 12  # of the masked video, as the clips' own default


class ExportedClip(Record):
    """A clip's files in its cache directory: `masked.mp4` and `masks/NNNNN.png`."""

    num_frames: int


def export_dataset(workspace: Workspace, entries: Sequence[DatasetEntry], folder: Path, dispatcher: Dispatcher) -> None:
    """Write `folder`, as a whole or not at all. An export that is there already is replaced.

    Files are copies, so that whatever happens to them leaves the project's own alone. Masked videos and PNG masks are
    kept in the item cache: one more product costs one product's work.

    Raises:
        PvttError: `folder` holds something that is no export; or a clip cannot be exported.
        StorageError: There is no space for it.
    """
    if folder.exists() and not (folder / "dataset.json").is_file() and any(folder.iterdir()):
        raise PvttError(f"{folder} is not empty and holds no dataset.json, so it is not replaced", "name a new folder")
    sweep_temporaries_of(folder)
    entries = [entry for entry in entries if entry.photo_paths]  # dataset.json has no others
    items = [
        Item(
            name=entry.key,
            payload=ClipAndMask(
                clip=workspace.root / entry.clip_path, mask=workspace.root / entry.mask_path, fps=entry.fps
            ),
            inputs=(entry.clip_sha256, entry.mask_sha256),
            product_id=entry.product_id,
        )
        for entry in entries
    ]
    outcome = run_items(STAGE, items, export_clip, ExportParams(), workspace, dispatcher)
    if outcome.rejects:
        first = outcome.rejects[0]
        raise PvttError(
            f"{len(outcome.rejects)} of {len(items)} clips cannot be exported, first {first.item}: {first.message}",
            "run `dvc repro validate`, which checks every file, then export again",
        )
    with atomic_directory(folder) as out:
        for entry, done in zip(entries, outcome.done, strict=True):
            _copy(workspace.root / entry.clip_path, out / "videos" / f"{entry.key}.mp4")
            _copy(done.directory / "masked.mp4", out / "masked" / f"{entry.key}.mp4")
            for mask in sorted((done.directory / "masks").iterdir()):
                _copy(mask, out / "masks" / entry.key / mask.name)
        photos = {(entry.product_id, path) for entry in entries for path in entry.photo_paths}
        for product_id, path in sorted(photos):
            _copy(workspace.root / path, out / "product_images" / product_id / Path(path).name)
        write_jsonl(out / ENTRIES_FILE, entries)
        DatasetFile.from_entries(entries).write(out / "dataset.json")


def export_clip(payload: ClipAndMask, directory: Path, params: ExportParams) -> ExportedClip:
    """Write one clip's masked video and PNG masks. Raises `PvttError` where clip and mask differ in length."""
    masks = directory / "masks"
    masks.mkdir()

    def masked_frames() -> Iterator[Frame]:
        pairs = zip_longest(iter_frames(payload.clip), iter_masks(payload.mask))
        for index, (frame, mask) in enumerate(pairs):
            if frame is None or mask is None:
                raise PvttError(f"{payload.mask.name} has {'more' if frame is None else 'fewer'} frames than its clip")
            write_png(masks / f"{index:05d}.png", mask)
            frame[mask > 0] = 0
            yield frame

    return ExportedClip(num_frames=write_video(directory / "masked.mp4", masked_frames(), payload.fps, params.crf))


def _copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, destination)
