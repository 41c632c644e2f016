"""A dataset of any size as clip, segment and photos leave it, with small real media: each product looks like itself."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import cv2
import numpy as np

from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.media.video import write_video
from pvtt.records.base import write_jsonl
from tests.dataset.build import Rows

SIDE = 32  # pixels of a clip and of a photo
CLIPS_EACH = 5  # one file with as many names: what is compared lies between products
NUM_FRAMES = 36


def add_products(workspace: Workspace, num_products: int) -> None:
    """Write the tables of so many products, with five clips and three photos each, and the media that are not there."""
    rows = Rows(num_products, clips_each=CLIPS_EACH)
    mask = workspace.root / "mask.mkv"
    workspace.root.mkdir(parents=True, exist_ok=True)
    if not mask.is_file():
        mask.write_bytes(b"the same mask of all")
    mask_sha256 = sha256_file(mask)
    for number, product in enumerate(rows.products):
        record = workspace.data / "products" / product.product_id / "product.json"
        if not record.is_file():
            record.parent.mkdir(parents=True)
            record.write_text(product.to_json())
        _draw(workspace, rows, number)
    for place, one in enumerate(rows.masks):
        _link(mask, workspace.out("segment") / one.path)
        clip = rows.clips[place]
        changes = {"sha256": mask_sha256, "clip_sha256": clip.sha256, "num_frames": NUM_FRAMES}
        rows.masks[place] = one.model_copy(update=changes)
    write_jsonl(workspace.out("clip") / "clips.jsonl", rows.clips)
    write_jsonl(workspace.out("segment") / "masks.jsonl", rows.masks)
    write_jsonl(workspace.out("photos") / "photos.jsonl", rows.photo_sets)


def _draw(workspace: Workspace, rows: Rows, number: int) -> None:
    """A product's clip and photos: blobs that no other product has."""
    rng = np.random.default_rng(number)
    pictures = [
        cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for _ in range(4)
    ]
    first = number * CLIPS_EACH
    film = workspace.out("clip") / rows.clips[first].path
    if not film.is_file():
        film.parent.mkdir(parents=True, exist_ok=True)
        write_video(film, np.repeat(pictures[3][None], NUM_FRAMES, axis=0), 12)
    sha256 = sha256_file(film)
    for place in range(first, first + CLIPS_EACH):
        _link(film, workspace.out("clip") / rows.clips[place].path)
        rows.clips[place] = rows.clips[place].model_copy(update={"sha256": sha256, "num_frames": NUM_FRAMES})
    photos = []
    for picture, photo in zip(pictures, rows.photo_sets[number].photos, strict=False):
        path = workspace.out("photos") / photo.path
        data = cv2.imencode(".png", picture)[1].tobytes()
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        photos.append(photo.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()}))
    rows.change("photo_sets", number, photos=tuple(photos))


def _link(source: Path, target: Path) -> None:
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
