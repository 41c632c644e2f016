"""An exported dataset back in a workspace: the same records, clips, masks and photos.

    FOLDER/dataset.json, videos/, masks/, product_images/        as `pvtt export` writes them, or anyone else
    FOLDER/entries.jsonl                                          what dataset.json has no field for, where it is there
        ──► outs/clip/videos, outs/segment/masks, outs/photos/photos, outs/validate

With `entries.jsonl` the records are those that were exported. Without it, what nothing says is left open: the category
is `uncategorised`. Every clip ends as a sample or as a reject with its reason.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, ValidationError

from pvtt.dataset.pictures import is_own, read_picture
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.atomic import atomic_directory
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.runner import Done, Item, ItemRejectedError, Outcome, run_items
from pvtt.media.arrays import MaskFrame
from pvtt.media.masks import write_masks
from pvtt.media.video import VideoError, VideoReader
from pvtt.records.base import Record, parse_record, read_jsonl, write_jsonl
from pvtt.records.catalog import REJECTS_FILE, Reject
from pvtt.records.dataset import (
    ENTRIES_FILE,
    SPLITS,
    DatasetEntry,
    DatasetFile,
    DatasetFileEntry,
    Split,
    TransferSet,
    write_transfers,
)

STAGE = "import"
MASK_FILE = "mask.mkv"
UNCATEGORISED = "uncategorised"
OUTS = ("clip", "segment", "photos", "validate")  # in the order of writing: who looks at the last finds the others


class ExportedClip(Record):
    """A clip's film and folder of masks; where they are is no part of its identity in the item cache."""

    video: Path = Field(exclude=True)
    masks: Path = Field(exclude=True)
    num_frames: int
    fps: float


class RestoreParams(Record):
    """What is restored depends on no params."""


class RestoredClip(Record):
    """What was found out; `mask.mkv` is beside it."""

    width: int
    height: int
    mask_sha256: str


@dataclass
class Restored:
    """The samples, sorted by key, and what was turned away."""

    entries: list[DatasetEntry] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def import_dataset(folder: Path, workspace: Workspace, dispatcher: Dispatcher) -> Restored:
    """Bring a dataset in the seeds' layout into a workspace that has none.

    Raises:
        MissingInputError: `folder` holds no `dataset.json`.
        PvttError: That file or `entries.jsonl` cannot be used, the workspace has a dataset, or no sample is sound.
    """
    there = [f"outs/{name}" for name in OUTS if workspace.out(name).exists()]
    if there:
        raise PvttError(
            f"{', '.join(there)} would be replaced", "import into a clone that has run no stage, or move them away"
        )
    dataset, known = _read(folder)
    restored = Restored()
    items: list[Item[ExportedClip]] = []
    samples: dict[str, tuple[Split, DatasetFileEntry]] = {}
    for split in SPLITS:
        for entry in getattr(dataset, split):
            key = f"{entry.product_id}_{entry.clip_id}"
            try:
                if key in samples:
                    raise ItemRejectedError("duplicate", f"dataset.json lists it in {samples[key][0]} before")
                items.append(_item(folder, key, entry))
                samples[key] = (split, entry)
            except ItemRejectedError as error:
                restored.rejects.append(_reject(key, entry, error.reason, error.message))
    outcome: Outcome[RestoredClip] = run_items(STAGE, items, restore_clip, RestoreParams(), workspace, dispatcher)
    restored.rejects += outcome.rejects
    done = {one.name: one for one in outcome.done}
    videos = {item.name: item.inputs[0] for item in items}
    for key, clip in sorted(done.items()):
        split, entry = samples[key]
        try:
            restored.entries.append(_entry(folder, split, entry, clip.record, videos[key], known.get(key)))
        except ItemRejectedError as error:
            restored.rejects.append(_reject(key, entry, error.reason, error.message))
    restored.rejects.sort(key=lambda reject: reject.item)
    if not restored.entries:
        reasons = ", ".join(f"{name} {count}" for name, count in Counter(r.reason for r in restored.rejects).items())
        raise PvttError(f"{folder}: none of its clips can be used: {reasons or 'it lists none'}", "mend or export it")
    _write(folder, workspace, restored, {key: samples[key][1] for key in samples}, done)
    return restored


def restore_clip(payload: ExportedClip, directory: Path, params: RestoreParams) -> RestoredClip:
    """Write a clip's masks as one file.

    Raises:
        ItemRejectedError: `bad_video`, `unreadable`, `frame_count` or `mask_size`.
    """
    try:
        with VideoReader(payload.video) as reader:
            sizes = Counter((frame.width, frame.height) for _, frame in reader)
    except VideoError as error:
        raise ItemRejectedError("bad_video", error.message) from None
    ((width, height), _), *others = sizes.most_common()
    num_masks = len(list(payload.masks.iterdir()))
    if others or not payload.num_frames == sizes.total() == num_masks:
        message = f"{payload.num_frames} frames by dataset.json, {sizes.total()} in the film, {num_masks} masks"
        raise ItemRejectedError("frame_count", message)
    write_masks(directory / MASK_FILE, _masks(payload, (height, width)), payload.fps)
    return RestoredClip(width=width, height=height, mask_sha256=sha256_file(directory / MASK_FILE))


def _masks(payload: ExportedClip, shape: tuple[int, int]) -> Iterator[MaskFrame]:
    for number in range(payload.num_frames):
        path = payload.masks / f"{number:05d}.png"
        if not path.is_file():
            raise ItemRejectedError("frame_count", f"{path.name} is missing")
        mask = read_picture(path)
        if mask.shape != shape:
            raise ItemRejectedError("mask_size", f"{path.name} is {mask.shape[1]}×{mask.shape[0]}, the film is not")
        yield mask


def _read(folder: Path) -> tuple[DatasetFile, dict[str, DatasetEntry]]:
    """`dataset.json`, and the records beside it by key."""
    file = folder / "dataset.json"
    if not file.is_file():
        raise MissingInputError(f"{folder} holds no dataset.json", "name a folder that `pvtt export` wrote")
    dataset = parse_record(
        DatasetFile, file.read_bytes(), file, "its fields are those of pvtt/records/dataset.schema.json"
    )
    records = folder / ENTRIES_FILE
    return dataset, {one.key: one for one in read_jsonl(records, DatasetEntry)} if records.is_file() else {}


def _item(folder: Path, key: str, entry: DatasetFileEntry) -> Item[ExportedClip]:
    video, masks = folder / entry.video_path, folder / entry.mask_dir
    for path in (video, masks):
        if os.path.lexists(path) and not is_own(path, folder):
            raise ItemRejectedError("forbidden_path", f"{path.relative_to(folder)} leads out of the folder")
    if not video.is_file():
        raise ItemRejectedError("missing_file", f"there is no {entry.video_path}")
    if not masks.is_dir():
        raise ItemRejectedError("missing_file", f"there is no folder {entry.mask_dir}")
    hashes: dict[str, str] = {}
    for path in masks.iterdir():
        name = path.name.encode("utf-8", "backslashreplace").decode()
        if not is_own(path, folder) or not path.is_file():
            raise ItemRejectedError("forbidden_path", f"{entry.mask_dir}{name} is no file of the folder")
        hashes[name] = sha256_file(path)
    return Item(
        name=key,
        payload=ExportedClip(video=video, masks=masks, num_frames=entry.num_frames, fps=entry.fps),
        inputs=(sha256_file(video), sha256_json(hashes)),
        product_id=entry.product_id,
    )


def _entry(
    folder: Path,
    split: Split,
    entry: DatasetFileEntry,
    clip: RestoredClip,
    clip_sha256: str,
    known: DatasetEntry | None,
) -> DatasetEntry:
    photos = [_photo(folder, path) for path in entry.product_images]
    paths = tuple(f"outs/photos/photos/{entry.product_id}/{Path(path).name}" for path in entry.product_images)
    if len(set(paths)) < len(paths):
        raise ItemRejectedError("duplicate", "two of its photos have one name")
    category = UNCATEGORISED if known is None else known.category
    hashes = () if known is None or known.photo_sha256s != tuple(photos) else known.photo_hashes
    try:
        return DatasetEntry(
            split=split,
            product_id=entry.product_id,
            clip_id=entry.clip_id,
            category=category,
            caption=entry.caption,
            clip_path=f"outs/clip/videos/{entry.product_id}_{entry.clip_id}.mp4",
            mask_path=f"outs/segment/masks/{entry.product_id}_{entry.clip_id}.mkv",
            photo_paths=paths,
            clip_sha256=clip_sha256,
            mask_sha256=clip.mask_sha256,
            photo_sha256s=tuple(photos),
            photo_hashes=hashes,
            num_frames=entry.num_frames,
            fps=entry.fps,
            width=clip.width,
            height=clip.height,
        )
    except ValidationError as error:
        raise ItemRejectedError("bad_record", str(error.errors()[0]["msg"])) from None


def _photo(folder: Path, name: str) -> str:
    """The hash of a photo that can be used."""
    path = folder / name
    if os.path.lexists(path) and not is_own(path, folder):
        raise ItemRejectedError("forbidden_path", f"{name} leads out of the folder")
    if not path.is_file():
        raise ItemRejectedError("missing_file", f"there is no {name}")
    if read_picture(path).ndim != 3:
        raise ItemRejectedError("unreadable", f"{name} has no alpha")
    return sha256_file(path)


def _write(
    folder: Path,
    workspace: Workspace,
    restored: Restored,
    samples: Mapping[str, DatasetFileEntry],
    done: Mapping[str, Done[RestoredClip]],
) -> None:
    """Put everything in place; the list of samples last, so that a killed import leaves none."""
    copies: dict[str, dict[str, Path]] = {name: {} for name in OUTS}
    for entry in restored.entries:
        sample = samples[entry.key]
        copies["clip"][entry.clip_path] = folder / sample.video_path
        copies["segment"][entry.mask_path] = done[entry.key].directory / MASK_FILE
        pairs = zip(entry.photo_paths, sample.product_images, strict=True)
        copies["photos"] |= {path: folder / image for path, image in pairs}
    for name, files in copies.items():
        with atomic_directory(workspace.out(name)) as out:
            for path, source in files.items():
                target = out / Path(path).relative_to(f"outs/{name}")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
            if name == "validate":
                write_jsonl(out / ENTRIES_FILE, restored.entries)
                DatasetFile.from_entries(restored.entries).write(out / "dataset.json")
                write_transfers(out, TransferSet(entries=(), reason="an imported dataset has no truths of transfers"))
                write_jsonl(out / REJECTS_FILE, restored.rejects)


def _reject(key: str, entry: DatasetFileEntry, reason: str, message: str) -> Reject:
    return Reject(stage=STAGE, item=key, product_id=entry.product_id, reason=reason, message=message)
