"""What the sample shop sells: 50 good products, and entries that a pipeline must turn away, each for its own reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from pvtt.builtin.shop.products import CATEGORIES, ProductSpec, product_spec
from pvtt.builtin.shop.render import Placed
from pvtt.builtin.shop.scenes import MOVE_KINDS, CameraMove, SceneSpec, random_move, random_scene

NAMESPACE = "shop"
NUM_PRODUCTS = 50
FPS = 12
WIDTH, HEIGHT = 720, 480
PHOTO_SIZE = 576
LICENSE = "https://creativecommons.org/publicdomain/zero/1.0/"

# What is wrong with an entry, and the reason code that the pipeline turns it away with.
Defect = Literal[
    "too_short",  # clip: no shot reaches min_seconds
    "too_small",  # clip: the short side is below min_short_side
    "no_product",  # segment: an empty studio
    "two_products",  # segment
    "truncated",  # crawl: half a file
    "not_a_video",  # crawl: a web page under the name of an .mp4
    "no_video",  # crawl: photos only
    "duplicate_product",  # crawl: another product's media under a new id
    "robots_forbidden",  # crawl: robots.txt keeps robots off the page
]
_DEFECTS: tuple[Defect, ...] = (
    "too_short",
    "too_small",
    "no_product",
    "two_products",
    "truncated",
    "not_a_video",
    "no_video",
    "duplicate_product",
    "robots_forbidden",
)

_ID_PREFIXES = {
    "ring": "JEWE",
    "bracelet": "JEWE",
    "pendant": "JEWE",
    "watch": "JEWE",
    "bottle": "BOTT",
    "box": "BOXE",
    "mug": "MUGS",
}
_FILLS = (0.86, 0.80, 0.83)  # how near the camera comes in a film's shots


@dataclass(frozen=True)
class FilmShot:
    """One shot of a film, from a cut to the next.

    Attributes:
        products: What it shows; may be nothing.
        move: How the camera moves, at a distance that `fill` decides.
        scene: The studio around the products.
        num_frames: Its length in frames.
        fill: How far towards the frame's border the products reach, as of `pvtt.builtin.shop.scenes.framed`.
    """

    products: tuple[Placed, ...]
    move: CameraMove
    scene: SceneSpec
    num_frames: int
    fill: float


@dataclass(frozen=True)
class Film:
    """A product video; `seed` is its music's."""

    shots: tuple[FilmShot, ...]
    width: int
    height: int
    seed: int

    @property
    def num_frames(self) -> int:
        return sum(shot.num_frames for shot in self.shots)

    @property
    def cuts(self) -> tuple[int, ...]:
        """The first frame of every shot but the first."""
        starts = np.cumsum([shot.num_frames for shot in self.shots])
        return tuple(int(start) for start in starts[:-1])

    @property
    def duration_s(self) -> float:
        return self.num_frames / FPS


@dataclass(frozen=True)
class Entry:
    """A product of the shop, its page and its media.

    Attributes:
        product_id: In the shop's style, for example "JEWE001".
        spec: The product that it is about.
        films: Its videos, as they are to be rendered.
        num_photos: Number of its photos, in setups 0, 1, …
        defect: What is wrong with the entry; None for a good one.
        copy_of: Whose media a duplicate shows.
    """

    product_id: str
    spec: ProductSpec
    films: tuple[Film, ...]
    num_photos: int
    defect: Defect | None = None
    copy_of: str | None = None

    @property
    def video_paths(self) -> tuple[str, ...]:
        """Where the videos lie, relative to the site."""
        return tuple(f"media/{self.product_id}/video-{number}.mp4" for number in range(1, len(self.films) + 1))

    @property
    def photo_paths(self) -> tuple[str, ...]:
        """Where the photos lie, relative to the site."""
        return tuple(f"media/{self.product_id}/photo-{number}.jpg" for number in range(1, self.num_photos + 1))


@cache
def catalog() -> tuple[Entry, ...]:
    """All entries, good ones first, in the order of their ids' numbers."""
    numbers = dict.fromkeys(set(_ID_PREFIXES.values()), 0)
    entries: list[Entry] = []
    for index in range(NUM_PRODUCTS):
        spec = product_spec(NAMESPACE, index)
        entries.append(_good_entry(_next_id(numbers, spec), spec))
    for place, defect in enumerate(_DEFECTS):
        spec = product_spec(NAMESPACE, NUM_PRODUCTS + place)
        entries.append(_defective_entry(_next_id(numbers, spec), spec, defect, entries[0]))
    return tuple(entries)


def _next_id(numbers: dict[str, int], spec: ProductSpec) -> str:
    prefix = _ID_PREFIXES[spec.category]
    numbers[prefix] += 1
    return f"{prefix}{numbers[prefix]:03d}"


def _good_entry(product_id: str, spec: ProductSpec) -> Entry:
    films = [_film(spec, 0, 3 if spec.index % 10 == 4 else 2)]
    if spec.index % 12 == 7:
        films.append(_film(spec, 1, 2))
    return Entry(product_id, spec, tuple(films), num_photos=(4, 4, 3, 4, 5)[spec.index % 5])


def _defective_entry(product_id: str, spec: ProductSpec, defect: Defect, original: Entry) -> Entry:
    films: tuple[Film, ...] = (_film(spec, 0, 2),)
    match defect:
        case "too_short":
            films = (_film(spec, 0, 2, frames=(17, 22)),)
        case "too_small":
            films = (_film(spec, 0, 2, width=480, height=320),)
        case "no_product":
            films = (_empty_film(spec),)
        case "two_products":
            films = (_film(spec, 0, 2, companion=product_spec(NAMESPACE, spec.index + 1000)),)
        case "no_video":
            films = ()
        case "duplicate_product":
            return Entry(product_id, spec, original.films, original.num_photos, defect, copy_of=original.product_id)
        case _:
            pass
    return Entry(product_id, spec, films, num_photos=3, defect=defect)


def _film(
    spec: ProductSpec,
    number: int,
    num_shots: int,
    frames: tuple[int, int] = (38, 43),
    width: int = WIDTH,
    height: int = HEIGHT,
    companion: ProductSpec | None = None,
) -> Film:
    """Shots of one product in unlike studios, each with another camera move."""
    rng = np.random.default_rng([spec.seed, 2000 + number])
    rank = spec.index // len(CATEGORIES)
    shots: list[FilmShot] = []
    for place in range(num_shots):
        kind = MOVE_KINDS[(spec.index + rank + 2 * number + place) % len(MOVE_KINDS)]
        move = random_move(rng, kind, spec.category)
        scene = random_scene(rng, avoid=tuple(other.scene for other in shots), against=spec.colour)
        products: tuple[Placed, ...] = (Placed(spec, yaw=move.yaw),)
        if companion is not None:  # side by side, apart from every direction that the camera looks from
            products = (Placed(spec, x=-1.25, yaw=move.yaw), Placed(companion, x=1.25))
        num_frames = int(rng.integers(*frames))
        fill = 0.9 if companion is not None else _FILLS[place % len(_FILLS)]
        shots.append(FilmShot(products, move, scene, num_frames, fill))
    return Film(tuple(shots), width, height, spec.seed % 2**31 + number)


def _empty_film(spec: ProductSpec) -> Film:
    rng = np.random.default_rng([spec.seed, 2000])
    shots: list[FilmShot] = []
    for kind in MOVE_KINDS[:2]:
        scene = random_scene(rng, avoid=tuple(other.scene for other in shots))
        shots.append(FilmShot((), random_move(rng, kind), scene, 40, _FILLS[0]))
    return Film(tuple(shots), WIDTH, HEIGHT, spec.seed % 2**31)


def good_entries() -> tuple[Entry, ...]:
    """Those that a pipeline should keep."""
    return tuple(entry for entry in catalog() if entry.defect is None)
