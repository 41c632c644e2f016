"""A small real sample on disk: an H.264 clip of a moving disc, its FFV1 masks, and RGBA photos of it in other light."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import MaskVideo, Rgba, Video
from pvtt.media.cutouts import encode_png
from pvtt.media.masks import write_masks
from pvtt.media.video import write_video
from pvtt.params.encode import EncodeParams
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import (
    ENTRIES_FILE,
    FIRST_TRANSFER,
    DatasetEntry,
    TemplateClip,
    TransferSet,
    write_transfers,
)

WIDTH, HEIGHT = 96, 64


def tiny_encode_params(**changes: Any) -> EncodeParams:
    """9 frames of 48×32, every second one."""
    values: dict[str, Any] = {
        "num_frames": 9,
        "frame_stride": 2,
        "width": 48,
        "height": 32,
        "photo_size": 32,
        "max_photos": 3,
        "image_features": "vae",
        "variants": 4,
        "text_tokens": 12,
    }
    return EncodeParams(**(values | changes))


def disc_frames(num_frames: int, colour: tuple[int, int, int]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Frames of a disc moving right over a gradient, and its masks of 0 and 255."""
    frames, masks = [], []
    for index in range(num_frames):
        frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        frame[...] = np.linspace(60, 200, WIDTH, dtype=np.uint8)[None, :, None]
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        centre = (30 + index, 34)
        cv2.circle(frame, centre, 14, colour, -1)
        cv2.circle(mask, centre, 14, 255, -1)
        frames.append(frame)
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def write_sample(
    root: Path,
    product_id: str = "DISC001",
    split: str = "train",
    num_frames: int = 24,
    num_photos: int = 3,
    colour: tuple[int, int, int] = (200, 40, 40),
    clip_id: str = "001",
    film: tuple[Video, MaskVideo] | None = None,
) -> DatasetEntry:
    """Write a sample below a workspace's root, of a film or of a moving disc; returns its dataset entry."""
    frames, masks = disc_frames(num_frames, colour) if film is None else film
    clip = root / "outs" / "clip" / "videos" / f"{product_id}_{clip_id}.mp4"
    mask = root / "outs" / "segment" / "masks" / f"{product_id}_{clip_id}.mkv"
    for path in (clip, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_video(clip, frames, fps=12)
    write_masks(mask, masks, fps=12)
    photos = []
    for number in range(num_photos):
        photo = np.zeros((64, 64, 4), np.uint8)
        cv2.circle(photo, (32, 32), 20 + number, (*colour[::-1], 255), -1)
        photo[34:, :, :3] //= 3  # lit from above, as it is nowhere in the film
        path = root / "outs" / "photos" / "photos" / product_id / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), photo)
        photos.append(path)
    return DatasetEntry(
        split=split,  # type: ignore[arg-type]
        product_id=product_id,
        clip_id=clip_id,
        category="disc",
        caption="a red disc",
        clip_path=clip.relative_to(root).as_posix(),
        mask_path=mask.relative_to(root).as_posix(),
        photo_paths=tuple(path.relative_to(root).as_posix() for path in photos),
        clip_sha256=sha256_file(clip),
        mask_sha256=sha256_file(mask),
        photo_sha256s=tuple(sha256_file(path) for path in photos),
        num_frames=len(frames),
        fps=12.0,
        width=frames.shape[2],
        height=frames.shape[1],
    )


def with_photos(root: Path, entry: DatasetEntry, pictures: Iterable[Rgba]) -> DatasetEntry:
    """The sample with other photos, which are written in place of its own."""
    folder = root / "outs" / "photos" / "photos" / entry.product_id
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(folder / f"{entry.clip_id}-{number:02d}.png")
        paths[-1].write_bytes(encode_png(picture))
    return entry.model_copy(
        update={
            "photo_paths": tuple(path.relative_to(root).as_posix() for path in paths),
            "photo_sha256s": tuple(sha256_file(path) for path in paths),
        }
    )


def write_dataset(
    workspace: Workspace, entries: Iterable[DatasetEntry], transfers: Iterable[DatasetEntry] = ()
) -> None:
    """What `validate` writes for `encode`."""
    written = tuple(transfers)
    write_jsonl(workspace.out("validate") / ENTRIES_FILE, entries)
    reason = None if written else "there are no truths"
    write_transfers(workspace.out("validate"), TransferSet(entries=written, reason=reason))


def write_transfer(
    root: Path, product: DatasetEntry, template: DatasetEntry, colour: tuple[int, int, int]
) -> DatasetEntry:
    """The truth of a transfer: `template`'s shot with `product`'s disc, of this colour, in its place."""
    frames, masks = disc_frames(template.num_frames, colour)
    stem = root / "truths" / f"{template.key}-as-{product.product_id}"
    film, mask = stem.with_suffix(".mp4"), stem.with_suffix(".mkv")
    film.parent.mkdir(exist_ok=True)
    write_video(film, frames, fps=12)
    write_masks(mask, masks, fps=12)
    return product.model_copy(
        update={
            "clip_id": f"{FIRST_TRANSFER + 1}",
            "clip_path": film.relative_to(root).as_posix(),
            "mask_path": mask.relative_to(root).as_posix(),
            "clip_sha256": sha256_file(film),
            "mask_sha256": sha256_file(mask),
            "num_frames": template.num_frames,
            "template": TemplateClip.model_validate(
                {name: getattr(template, name) for name in TemplateClip.model_fields}
            ),
            "track": "transfer",
        }
    )
