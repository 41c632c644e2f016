"""How the samples look, and which held-out ones are copies of what another split shows.

    a clip's middle frame, a photo's cut-out on white ──► grey, 64×64 ──► signs of 16×16 low frequencies: 256 bits
                                                      └─► mean colours of 4×4 cells

One item a product in the item cache, so a clip is decoded once, and one more product costs one product's work. A
mirrored copy has the signs of its odd horizontal frequencies turned, so it is found from the same bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_bytes, sha256_file
from pvtt.files.workspace import Workspace
from pvtt.items.dispatcher import Dispatcher
from pvtt.items.runner import Item, Outcome, run_items
from pvtt.media.arrays import Frame
from pvtt.media.video import VideoError, VideoReader
from pvtt.records.base import Record
from pvtt.records.dataset import DatasetEntry, Split

STAGE = "validate_looks"
SIDE = 16  # frequencies a side
WORDS = SIDE * SIDE // 64
MIRRORED = np.uint64(0x5555_5555_5555_5555)  # the odd horizontal frequencies of four rows
# Bits that copies differ in at most. Measured on the sample shop with copies at two thirds of the size, as JPEG of
# quality 50, mirrored or not: 117 clips differ in up to 18, but for two of one colour, and clips of two products in 52
# and more. 70 photos differ in up to 12, photos of two products in 22 and more. 64 bits leave no such gap: 6 against 4.
DISTANCE = {"clip": 28, "photo": 17}
CELLS = 4
# Levels, of 255, that a cell's colour may differ by; of those copies at most 4. One shape in two colours is no copy.
MAX_COLOUR = 12
BLOCK = 64  # held-out ones compared at once: 100 MB at 50,000 others

Kind = Literal["clip", "photo"]
Words = npt.NDArray[np.uint64]
Colours = npt.NDArray[np.uint8]


class SeenFile(Record):
    """A clip or a photo to look at; where it is is no part of its identity in the item cache."""

    kind: Kind
    sha256: str
    num_frames: int  # of a photo 1
    path: Path = Field(exclude=True)


class SeenProduct(Record):
    """All files of a product's samples."""

    files: tuple[SeenFile, ...]


class LooksParams(Record):
    """The looks depend on no params."""


class Looks(Record):
    """Of each file the 256 bits and the colours, hexadecimal; None: it cannot be decoded."""

    hashes: tuple[str | None, ...]


@dataclass(frozen=True)
class Look:
    """A sample's clip or photo.

    Attributes:
        kind: Which of both.
        name: Its path below the workspace.
        split: Of its product.
        words: (4,), its hash; None where it could not be looked at.
        colours: (4, 4, 3), RGB of its cells.
    """

    kind: Kind
    name: str
    split: Split
    words: Words | None
    colours: Colours


@dataclass(frozen=True)
class Copy:
    """A held-out clip or photo, and the nearest of another split that looks the same; None: there is none."""

    look: Look
    original: Look | None


def look_at(workspace: Workspace, entries: Sequence[DatasetEntry], dispatcher: Dispatcher) -> list[Look]:
    """The looks of all clips and photos of the samples, products in the entries' order.

    A product of which a file is missing, or is not the recorded one, is not looked at: its looks are without words.
    """
    files: dict[str, dict[str, SeenFile]] = defaultdict(dict)
    splits = {entry.product_id: entry.split for entry in entries}
    for entry in entries:
        of_product, root = files[entry.product_id], workspace.root
        of_product[entry.clip_path] = SeenFile(
            kind="clip", sha256=entry.clip_sha256, num_frames=entry.num_frames, path=root / entry.clip_path
        )
        for path, sha256 in zip(entry.photo_paths, entry.photo_sha256s, strict=True):
            if path not in of_product:
                of_product[path] = SeenFile(kind="photo", sha256=sha256, num_frames=1, path=root / path)
    items = [
        Item(
            name=product_id,
            payload=SeenProduct(files=tuple(of_product.values())),
            inputs=tuple(file.sha256 for file in of_product.values()),
            product_id=product_id,
        )
        for product_id, of_product in files.items()
    ]
    outcome: Outcome[Looks] = run_items(STAGE, items, look_at_product, LooksParams(), workspace, dispatcher)
    hashes = {done.name: done.record.hashes for done in outcome.done}
    looks: list[Look] = []
    for product_id, of_product in files.items():
        found = hashes.get(product_id, (None,) * len(of_product))
        for (path, file), value in zip(of_product.items(), found, strict=True):
            looks.append(Look(file.kind, path, splits[product_id], *_parse(value)))
    return looks


def look_at_product(payload: SeenProduct, directory: Path, params: LooksParams) -> Looks:
    """Look at a product's files, at equal ones once. Raises `PvttError` where one is not the file that was recorded."""
    seen: dict[tuple[Kind, str, int], str | None] = {}
    for file in payload.files:
        key = (file.kind, file.sha256, file.num_frames)
        if key not in seen:
            seen[key] = _look(file)
    return Looks(hashes=tuple(seen[file.kind, file.sha256, file.num_frames] for file in payload.files))


def _look(file: SeenFile) -> str | None:
    picture = _middle_frame(file) if file.kind == "clip" else _cut_out(file)
    return None if picture is None else describe(picture)


def describe(picture: Frame) -> str:
    """The 256 bits and the 48 colours of a picture, (H, W, 3) RGB, hexadecimal."""
    import imagehash
    from PIL import Image

    image = Image.fromarray(picture)
    cells = image.resize((CELLS, CELLS), Image.Resampling.BOX)
    return f"{imagehash.phash(image, hash_size=SIDE)}{cells.tobytes().hex()}"


def _parse(value: str | None) -> tuple[Words | None, Colours]:
    if value is None:
        return None, np.zeros((CELLS, CELLS, 3), np.uint8)
    words = np.array([int(value[at : at + 16], 16) for at in range(0, WORDS * 16, 16)], np.uint64)
    return words, np.frombuffer(bytes.fromhex(value[WORDS * 16 :]), np.uint8).reshape(CELLS, CELLS, 3)


def _middle_frame(file: SeenFile) -> Frame | None:
    if sha256_file(file.path) != file.sha256:
        raise _changed(file)
    try:
        with VideoReader(file.path) as reader:
            frame = next(islice(reader, file.num_frames // 2, None), None)
            return None if frame is None else np.asarray(frame[1].to_ndarray(format="rgb24"), np.uint8)
    except VideoError:
        return None


def _cut_out(file: SeenFile) -> Frame | None:
    import cv2

    data = file.path.read_bytes()
    if sha256_bytes(data) != file.sha256:
        raise _changed(file)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        return None
    if picture.ndim == 2:
        return np.repeat(np.asarray(picture, np.uint8)[..., None], 3, axis=2)
    colours = picture[..., 2::-1].astype(np.float32)
    alpha = picture[..., 3:].astype(np.float32) / 255 if picture.shape[2] == 4 else np.float32(1)
    return np.asarray(np.round(colours * alpha + 255 * (1 - alpha)), np.uint8)


def _changed(file: SeenFile) -> PvttError:
    return PvttError(f"{file.path.name} is not the file that was recorded", "make it again: `dvc repro --force`")


def find_copies(looks: Iterable[Look]) -> list[Copy]:
    """Each held-out look with its nearest of another split, if one is as near as a copy, mirrored or not.

    Args:
        looks: Of all splits; those without words are passed over.

    Returns:
        One a held-out look, in the order of `looks`. There are as many as held-out looks, however many copies one has.
    """
    seen = [look for look in looks if look.words is not None]
    copies: list[Copy] = []
    for kind, distance in DISTANCE.items():
        of_kind = [look for look in seen if look.kind == kind]
        for split in ("val", "test"):
            held_out = [look for look in of_kind if look.split == split]
            others = [look for look in of_kind if look.split != split]
            copies += _nearest(held_out, others, distance)
    order = {id(look): place for place, look in enumerate(seen)}
    return sorted(copies, key=lambda copy: order[id(copy.look)])


def _nearest(held_out: Sequence[Look], others: Sequence[Look], distance: int) -> Iterable[Copy]:
    if not others:
        yield from (Copy(look, None) for look in held_out)
        return
    theirs = np.stack([look.words for look in others if look.words is not None])  # (N, 4)
    both_ways = np.concatenate([theirs, theirs ^ MIRRORED])
    painted = np.stack([look.colours for look in others]).astype(np.int16)
    painted = np.concatenate([painted, painted[:, :, ::-1]])
    for start in range(0, len(held_out), BLOCK):
        block = held_out[start : start + BLOCK]
        ours = np.stack([look.words for look in block if look.words is not None])
        half = np.bitwise_count(ours[:, None, 0] ^ both_ways[None, :, 0])
        half += np.bitwise_count(ours[:, None, 1] ^ both_ways[None, :, 1])  # most pairs differ here by more already
        rows, columns = np.nonzero(half <= distance)
        apart = np.bitwise_count(ours[rows] ^ both_ways[columns]).sum(axis=1, dtype=np.int64)
        near = np.flatnonzero(apart <= distance)
        colours = np.stack([look.colours for look in block]).astype(np.int16)
        differ = np.abs(colours[rows[near]] - painted[columns[near]]).max(axis=(1, 2, 3), initial=0)
        near = near[differ <= MAX_COLOUR]
        near = near[np.lexsort((columns[near], apart[near], rows[near]))]
        found, first = np.unique(rows[near], return_index=True)
        best = dict(zip(found.tolist(), columns[near][first].tolist(), strict=True))
        for row, look in enumerate(block):
            yield Copy(look, others[best[row] % len(others)] if row in best else None)
