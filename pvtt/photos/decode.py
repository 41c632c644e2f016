"""One photo of any kind: upright, in sRGB, of a bounded size."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from struct import error as StructError
from typing import TYPE_CHECKING

from pvtt.errors import first_line
from pvtt.files.storage import raise_storage_fault
from pvtt.items.runner import ItemRejectedError
from pvtt.photos.colour import to_srgb

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 2048  # pixels kept of a larger photo


@dataclass(frozen=True)
class Decoded:
    """A photo as it is worked with.

    Attributes:
        image: Upright, sRGB, in RGB or RGBA, at most `MAX_SIDE` large.
        num_pixels: That the file has.
        notes: What of the file could not be followed: `broken_exif`, or as `pvtt.photos.colour.to_srgb`.
    """

    image: Image
    num_pixels: int
    notes: tuple[str, ...] = ()


def decode(path: Path) -> Image:
    """A photo upright, sRGB, in RGB or RGBA, at most `MAX_SIDE` large. Raises as `decode_photo`."""
    return decode_photo(path).image


def decode_photo(path: Path) -> Decoded:
    """Decode one photo.

    Raises:
        ItemRejectedError: `undecodable`, also for a decompression bomb.
        StorageError: The disk does not give it.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                num_pixels = image.width * image.height
                image.draft("RGB", (MAX_SIDE, MAX_SIDE))  # decodes a large JPEG at a fraction of its size
                image.load()
                picture, notes = as_seen(image)
                picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
                return Decoded(picture, num_pixels, notes)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise_storage_fault(error, path)
        reason = first_line(error).replace(str(path), path.name)
        raise ItemRejectedError("undecodable", f"{path.name}: {reason}") from None


def as_seen(image: Image) -> tuple[Image, tuple[str, ...]]:
    """A picture upright and in sRGB, RGB or RGBA, and `Decoded.notes`. Raises as `pvtt.photos.colour.to_srgb`."""
    upright, notes = _upright(image)
    picture, colour_notes = to_srgb(upright)
    return picture, (*notes, *colour_notes)


def _upright(image: Image) -> tuple[Image, tuple[str, ...]]:
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image), ()
    except (KeyError, IndexError, OSError, StructError, SyntaxError, TypeError, ValueError):
        return image, ("broken_exif",)
