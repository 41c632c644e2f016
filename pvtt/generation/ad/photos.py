"""The new product's photos: read, cut out, and held against each other, since all are to show one product.

Photos are linked where the colours of what they show are alike, by the measure that links shots of one product
(`product.alike`), and all must hang together. Measured on the sample shop's 228 photos of 59 products: the weakest link
that holds a product's photos together is 0.74, and 0.64 when each photo's light is changed by chance (exposure by up to
half, white balance by a fifth). Of a product's photos and one of another product's half have no link of 0.55, and so
have half of those with a mug's and a ring's. What is refused is sure to be wrong; what passes is not sure to be right.
Outlines were measured too and tell nothing more: a pendant's front and side differ as much as two products.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pvtt.errors import MissingInputError, PvttError, StorageError
from pvtt.generation.ad.product import Appearance, alike, appearance
from pvtt.generation.ad.refusal import AdError
from pvtt.generation.inputs import read_photo
from pvtt.media.arrays import Rgba

MAX_MEGAPIXELS = 89  # `PIL.Image.MAX_IMAGE_PIXELS`
LINKED = 0.55  # of 1: with less, two photos alone do not show one product
SOLID = 128  # of 255: alpha from which a pixel is the product's


def read_photos(paths: Sequence[Path]) -> tuple[Rgba, ...]:
    """The photos' products, (S, S, 4) each, background removed.

    Raises:
        MissingInputError: A photo is not there.
        AdError: There is none, one shows nothing or cannot be read, or they show different products.
    """
    if not paths:
        raise AdError("no photo of the new product is given", "give --photos one to five pictures of it", "no_photo")
    for path in paths:
        if not path.is_file():
            fault = "is a folder" if path.is_dir() else "does not exist"
            raise MissingInputError(f"the photo {path} {fault}", "give --photos pictures of the new product")
        _require_moderate(path)
    try:
        photos = tuple(read_photo(path) for path in paths)
    except StorageError:
        raise
    except PvttError as error:
        raise AdError(error.message, error.hint, "bad_photo") from None
    for path, photo in zip(paths, photos, strict=True):
        if not (photo[..., 3] >= SOLID).any():  # it came cut out, with nothing left
            raise AdError(f"{path}: nothing in it is opaque", "give another photo", "bad_photo")
    require_one_product(paths, photos)
    return photos


def _require_moderate(path: Path) -> None:
    """Raises `AdError` where a photo has more pixels than Pillow decodes without a warning."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path):
                return
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise AdError(
            f"{path} has more than {MAX_MEGAPIXELS} megapixels",
            "make it smaller: 2000 pixels a side show all that is looked at",
            "bad_photo",
        ) from None
    except OSError:  # whoever reads it says why
        return


def require_one_product(paths: Sequence[Path], photos: Sequence[Rgba]) -> None:
    """Raises `AdError` where the photos, (S, S, 4) each, do not all hang together."""
    looks = [look(photo) for photo in photos]
    groups = linked(looks)
    if len(groups) == 1:
        return
    most, *others = groups
    left_out = [number for group in others for number in group]
    odd = left_out[0]
    near = max(most, key=lambda one: alike(looks[one], looks[odd]))
    raise AdError(
        f"the photos show different products: {paths[odd].name} and {paths[near].name} are alike in colour by "
        f"{alike(looks[odd], looks[near]):.2f} of 1, and photos of one product by {LINKED:g} and more",
        f"give --photos pictures of one product: leave out {', '.join(paths[one].name for one in left_out)}",
        "different_products",
    )


def linked(looks: Sequence[Appearance]) -> list[list[int]]:
    """The numbers of photos that hang together, the largest group first."""
    groups: list[list[int]] = []
    for number, own in enumerate(looks):
        near = [group for group in groups if any(alike(own, looks[one]) >= LINKED for one in group)]
        joined = [number, *(one for group in near for one in group)]
        groups = [group for group in groups if group not in near] + [sorted(joined)]
    return sorted(groups, key=lambda group: (-len(group), group))


def look(photo: Rgba) -> Appearance:
    """The colours of what a photo, (S, S, 4), shows."""
    return appearance([(np.ascontiguousarray(photo[..., :3]), photo[..., 3] >= SOLID)])
