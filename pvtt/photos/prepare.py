"""One product's photos: each is decoded, compared with those before it, cut out and letterboxed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from pvtt.files.hashing import sha256_bytes
from pvtt.items.runner import ItemRejectedError
from pvtt.media.cutouts import encode_png, letterbox
from pvtt.media.likeness import distance, perceptual_hash
from pvtt.params.photos import PhotosParams
from pvtt.photos.cutout import cut_out, decode
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


def prepare_photos(product: SourcePhotos, directory: Path, params: PhotosParams) -> PreparedPhotos:
    """Prepare up to `max_photos` photos, in the page's order, as `NN.png` in `directory`.

    A photo may be turned away as `undecodable`, `duplicate` (of an earlier one, by perceptual hash), `no_product` or
    `product_fills_photo`; the others go on.

    Raises:
        PvttError: The weights are not installed.
    """
    photos: list[Photo] = []
    rejects: list[RejectedPhoto] = []
    for source in product.photos:
        if len(photos) == params.max_photos:
            break
        number = len(photos) + 1
        try:
            photos.append(_prepare(source, f"photos/{product.product_id}/{number:02d}.png", directory, photos, params))
        except ItemRejectedError as reject:
            rejects.append(RejectedPhoto(source_path=source.source_path, reason=reject.reason, message=reject.message))
    return PreparedPhotos(photos=tuple(photos), rejects=tuple(rejects))


def _prepare(source: SourcePhoto, path: str, directory: Path, earlier: list[Photo], params: PhotosParams) -> Photo:
    image = decode(source.path)
    look = perceptual_hash(np.asarray(image.convert("RGB")))
    for photo in earlier:
        apart = distance(look, int(photo.perceptual_hash, 16))
        if apart <= params.duplicate_distance:
            raise ItemRejectedError("duplicate", f"{apart} of 64 bits from {photo.source_path}")
    picture = cut_out(image)
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
        source_path=source.source_path,
        source_sha256=source.sha256,
        perceptual_hash=f"{look:016x}",
        area=float((boxed[..., 3] / 255).mean()),
    )
