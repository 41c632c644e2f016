"""The variants of a sample: what is drawn for each, from streams of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pvtt.encoding.augment import ColourChange
from pvtt.encoding.crop import CropDraw
from pvtt.encoding.masks import MaskShape
from pvtt.encoding.own_collage import OwnCollage
from pvtt.encoding.photo_change import PhotoChange
from pvtt.encoding.windows import WindowPlace, middle
from pvtt.files.hashing import sha256_bytes
from pvtt.params.encode import EncodeParams

_PHOTO, _GAP, _COLLAGE = 1, 2, 3  # the streams of a variant's random draws


@dataclass(frozen=True)
class Variant:
    """What makes one variant of a sample. Variant 0 is the middle window in its own colours with the fixed framing and
    shape."""

    place: WindowPlace
    colour: ColourChange
    shape: MaskShape
    photos: tuple[PhotoChange, ...]  # one for each photo
    transfer: bool = False  # the template shows another product in the same shot
    gap: bool = False  # the hole has room for another category's product
    own_collage: OwnCollage | None = None  # the collage is cut out of the film instead of a photo


def draw_variants(
    key: str,
    starts: Sequence[int],
    params: EncodeParams,
    num_variants: int,
    seed: int,
    transfers: float = 0.0,
    all_transfers: bool = False,
    has_gap: bool = False,
) -> list[Variant]:
    """The variants of a sample; each depends on the seed, the sample's key and its own number alone.

    Args:
        key: The sample's.
        starts: The frames that a window can start at.
        params: The distributions that are drawn from.
        num_variants: How many to draw.
        seed: Seed of the draws.
        transfers: Share of the variants after the first that are transfers.
        all_transfers: All of them are, the first too.
        has_gap: There is a sample of another category, whose outline shape gaps have.
    """
    place = WindowPlace(middle(starts), CropDraw.evaluation(params.crop))
    unchanged = (PhotoChange(),) * params.max_photos
    shape = MaskShape.evaluation(params.mask)
    variants = [Variant(place, ColourChange.identity(), shape, unchanged, all_transfers)]
    name = int(sha256_bytes(key.encode())[:16], 16)
    for number in range(1, num_variants):
        random = np.random.default_rng([name, seed, number])
        start = starts[int(random.integers(len(starts)))]
        colour = ColourChange.draw(random) if params.colour_augment else ColourChange.identity()
        shape = MaskShape.draw(params.mask, random)
        place = WindowPlace(start, CropDraw.draw(params.crop, random))
        transfer = random.random() < transfers or all_transfers
        # Of streams of their own, so that switching one on leaves all other draws as they are.
        photos = tuple(
            PhotoChange.draw(params.photo_augment, np.random.default_rng([name, seed, number, _PHOTO, view]))
            for view in range(params.max_photos)
        )
        gap = has_gap and np.random.default_rng([name, seed, number, _GAP]).random() < params.mask.gap_fraction
        of_collage = np.random.default_rng([name, seed, number, _COLLAGE])
        own_collage = OwnCollage.draw(of_collage) if of_collage.random() < params.own_collage else None
        variants.append(Variant(place, colour, shape, photos, transfer, bool(gap), own_collage))
    return variants
