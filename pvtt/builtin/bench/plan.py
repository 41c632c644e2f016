"""What each triplet is: its products, studios, camera moves and shots, all following from its number.

The splits are crossed: over the first 24 triplets and over all of them each number of shots, each camera move and each
shape gap is as frequent as the others, and none goes with another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from pvtt.builtin.bench.products import FORMS, MATERIALS, look_alikes, new_product, old_product, other_category
from pvtt.builtin.shop.catalog import Film, FilmShot
from pvtt.builtin.shop.products import ProductSpec
from pvtt.builtin.shop.render import Placed
from pvtt.builtin.shop.scenes import MOVE_KINDS, MoveKind, SceneSpec, colour_distance, random_move, random_scene
from pvtt.files.hashing import sha256_json
from pvtt.records.bench import Material

FULL, SMALL = 120, 24
WIDTH, HEIGHT = 240, 160
NUM_LOOK_ALIKES = 3
MAX_PHOTOS = 3
SHOT_FRAMES = {1: (18, 25), 2: (11, 15), 3: (10, 13), 4: (9, 12)}  # at 12 a second; a shot has half a second at least
FILL = (0.62, 0.78)  # how far towards the frame's border the products reach
ORBIT_FRAMES = 40  # of the shop's shots, in which the camera goes round as far as it does there
MIN_CONTRAST = 0.3  # of a product's colours and a studio's floor
SCENE_TRIES = 48
METALLIC = ("ring", "bracelet", "pendant", "watch")  # whose metal is a large part of what one sees


@dataclass(frozen=True)
class TripletPlan:
    """A triplet before it is rendered.

    Attributes:
        number: From 0.
        product: The photos' product.
        look_alikes: Those that it is told from.
        film: The template.
        material: Of the new product.
        same_category: Whether the old product is of the new one's category.
        motion: Of the camera, in all shots.
        num_photos: Of the new product.
    """

    number: int
    product: ProductSpec
    look_alikes: tuple[ProductSpec, ...]
    film: Film
    material: Material
    same_category: bool
    motion: MoveKind
    num_photos: int

    @property
    def template_product(self) -> ProductSpec:
        return self.film.shots[0].products[0].spec

    @property
    def name(self) -> str:
        """For example `007-ring-as-bottle`: the ring's film becomes the bottle's."""
        return f"{self.number + 1:03d}-{self.template_product.category}-as-{self.product.category}"

    @property
    def splits(self) -> dict[str, str]:
        return {
            "shape gap": "same category" if self.same_category else "other category",
            "material": self.material,
            "shots": str(len(self.film.shots)),
            "motion": self.motion,
        }


@cache
def plan_triplet(number: int) -> TripletPlan:
    """The triplet `number` ≥ 0, always the same one."""
    block, place = divmod(number, len(SHOT_FRAMES))
    num_shots = 1 + place
    motion = MOVE_KINDS[(place + block) % len(MOVE_KINDS)]
    same_category = (block + place // 2) % 2 == 0
    material = MATERIALS[number % len(MATERIALS)]
    categories = tuple(FORMS[material])
    category = categories[number // len(MATERIALS) % len(categories)]
    product = new_product(number, material, category)
    old = old_product(number, category if same_category else other_category(number, category))
    return TripletPlan(
        number=number,
        product=product,
        look_alikes=look_alikes(product, number, material, NUM_LOOK_ALIKES),
        film=_film(old, product, num_shots, motion),
        material=material,
        same_category=same_category,
        motion=motion,
        num_photos=1 + number % MAX_PHOTOS,
    )


def plans(is_small: bool) -> tuple[TripletPlan, ...]:
    """All triplets; the small bench is the first of them."""
    return tuple(plan_triplet(number) for number in range(SMALL if is_small else FULL))


def plan_sha256(plan: TripletPlan) -> str:
    """Of all that a triplet is rendered from. Numbers count to nine digits: libraries of mathematics differ beyond."""
    return sha256_json(_rounded({"plan": asdict(plan), "size": (WIDTH, HEIGHT)}))


def _rounded(value: Any) -> Any:
    """A plain value with shortened numbers, as JSON has it."""
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(one) for one in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _film(old: ProductSpec, new: ProductSpec, num_shots: int, motion: MoveKind) -> Film:
    rng = np.random.default_rng([old.seed, 7])
    shots: list[FilmShot] = []
    for _ in range(num_shots):
        move = random_move(rng, motion, old.category)
        scene = _scene(rng, tuple(shot.scene for shot in shots), (old, new))
        num_frames = int(rng.integers(*SHOT_FRAMES[num_shots]))
        if motion == "orbit":  # else a short shot would go as far round as a long one, 30 pixels a frame
            move = replace(move, amount=move.amount * num_frames / ORBIT_FRAMES)
        shots.append(FilmShot((Placed(old, yaw=move.yaw),), move, scene, num_frames, float(rng.uniform(*FILL))))
    return Film(tuple(shots), WIDTH, HEIGHT, old.seed % 2**31)


def _scene(rng: np.random.Generator, avoid: tuple[SceneSpec, ...], products: tuple[ProductSpec, ...]) -> SceneSpec:
    """A studio whose floor both products are told from: the first of enough contrast, or that of the most."""
    best: SceneSpec | None = None
    for _ in range(SCENE_TRIES):
        scene = random_scene(rng, avoid, against=products[0].colour)
        if best is None or contrast(scene, products) > contrast(best, products):
            best = scene
        if contrast(best, products) >= MIN_CONTRAST:
            break
    assert best is not None  # of the first try at least
    return best


def contrast(scene: SceneSpec, products: tuple[ProductSpec, ...]) -> float:
    """The least distance of the floor's colour from the main colours of products."""
    colours = [spec.colour for spec in products]
    colours += [spec.metal_colour for spec in products if spec.category in METALLIC]
    return min(colour_distance(scene.ground, colour) for colour in colours)
