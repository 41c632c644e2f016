"""One product's photos: all are compared, the largest of each look is cut out, judged and letterboxed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field

from pvtt.files.hashing import sha256_bytes
from pvtt.items.runner import ItemRejectedError
from pvtt.media.cutouts import encode_png, letterbox
from pvtt.media.likeness import distance, perceptual_hash
from pvtt.params.photos import PhotosParams
from pvtt.photos.cutout import comes_cut_out, cut_out, over
from pvtt.photos.decode import decode_photo
from pvtt.photos.doubts import doubts
from pvtt.records.base import Record
from pvtt.records.catalog import ProductId, Sha256
from pvtt.records.clips import Photo


class SourcePhoto(Record):
    """One photo as crawled; `path` says where it is and is no part of its identity in the item cache."""

    source_path: str  # relative to data/
    sha256: Sha256
    path: Path = Field(exclude=True)


class SourcePhotos(Record):
    """A product's photos, in the page's order."""

    product_id: ProductId
    photos: tuple[SourcePhoto, ...]


class RejectedPhoto(Record):
    """A photo that was turned away."""

    source_path: str
    reason: str
    message: str


class PreparedPhotos(Record):
    """What came of a product's photos; the first is `01.png` in the item's directory."""

    photos: tuple[Photo, ...]
    rejects: tuple[RejectedPhoto, ...]


@dataclass(frozen=True)
class _Look:
    """What duplicates are told by."""

    place: int  # on the page
    source: SourcePhoto
    over_white: int  # perceptual hash of what is seen
    over_black: int | None  # of a photo with transparency: a white product is nothing over white
    num_pixels: int

    def apart(self, other: _Look) -> int:
        """In how many of 64 bits what is seen differs."""
        bits = distance(self.over_white, other.over_white)
        if self.over_black is not None and other.over_black is not None:
            bits = max(bits, distance(self.over_black, other.over_black))
        return bits


def prepare_photos(product: SourcePhotos, directory: Path, params: PhotosParams) -> PreparedPhotos:
    """Prepare up to `max_photos` photos, in the page's order, as `NN.png` in `directory`.

    Of photos that look the same the one with the most pixels is taken, in the place of the first of them.

    A photo may be turned away as `undecodable`, `duplicate` (of a larger or earlier one, by perceptual hash),
    `no_product` or `product_fills_photo`; the others go on.

    Raises:
        PvttError: The weights are not installed.
    """
    looks: list[_Look] = []
    rejects: list[RejectedPhoto] = []
    for place, source in enumerate(product.photos):
        try:
            looks.append(_look(place, source))
        except ItemRejectedError as reject:
            _turn_away(source, reject, rejects)
    photos: list[Photo] = []
    for group in _alike(looks, params.duplicate_distance):
        if len(photos) == params.max_photos:
            break
        taken = group[0]
        for other in group[1:]:
            message = f"{taken.apart(other)} of 64 bits from {taken.source.source_path}, of {taken.num_pixels} pixels"
            _turn_away(other.source, ItemRejectedError("duplicate", message), rejects)
        path = f"photos/{product.product_id}/{len(photos) + 1:02d}.png"
        try:
            photos.append(_prepare(taken, path, directory, params))
        except ItemRejectedError as reject:
            _turn_away(taken.source, reject, rejects)
    places = {source.source_path: place for place, source in enumerate(product.photos)}
    rejects.sort(key=lambda reject: places[reject.source_path])
    return PreparedPhotos(photos=tuple(photos), rejects=tuple(rejects))


def _look(place: int, source: SourcePhoto) -> _Look:
    decoded = decode_photo(source.path)
    picture = np.asarray(decoded.image)
    if decoded.image.mode != "RGBA":
        return _Look(place, source, perceptual_hash(picture), None, decoded.num_pixels)
    white, black = perceptual_hash(over(picture, 255)), perceptual_hash(over(picture, 0))
    return _Look(place, source, white, black, decoded.num_pixels)


def _alike(looks: Sequence[_Look], max_distance: int) -> list[list[_Look]]:
    """Groups of photos that look the same, the largest first in each; in the order of each group's first."""
    groups: list[list[_Look]] = []
    for look in sorted(looks, key=lambda look: -look.num_pixels):
        group = next((group for group in groups if look.apart(group[0]) <= max_distance), None)
        if group is None:
            groups.append([look])
        else:
            group.append(look)
    return sorted(groups, key=lambda group: min(look.place for look in group))


def _prepare(look: _Look, path: str, directory: Path, params: PhotosParams) -> Photo:
    decoded = decode_photo(look.source.path)
    picture = cut_out(decoded.image)
    came_cut_out = decoded.image.mode == "RGBA" and comes_cut_out(np.asarray(decoded.image)[..., 3])
    area = float((picture[..., 3] / 255).mean())
    if area < params.min_area:
        raise ItemRejectedError("no_product", f"what stands out covers {area:.1%} of the photo")
    if area > params.max_area:
        raise ItemRejectedError("product_fills_photo", f"what stands out covers {area:.1%} of the photo")
    boxed = letterbox(picture, params.size, params.margin)
    png = encode_png(boxed)
    (directory / Path(path).name).write_bytes(png)
    return Photo(
        path=path,
        sha256=sha256_bytes(png),
        source_path=look.source.source_path,
        source_sha256=look.source.sha256,
        perceptual_hash=f"{look.over_white:016x}",
        area=float((boxed[..., 3] / 255).mean()),
        notes=decoded.notes,
        doubts=doubts(picture[..., 3], came_cut_out),
    )


def _turn_away(source: SourcePhoto, reject: ItemRejectedError, rejects: list[RejectedPhoto]) -> None:
    rejects.append(RejectedPhoto(source_path=source.source_path, reason=reject.reason, message=reject.message))
