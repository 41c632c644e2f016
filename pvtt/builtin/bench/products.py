"""The bench's products: a family that nothing is trained on, made of a material, each with others that look alike.

Families share no product (`pvtt.builtin.shop.products`): the base and its takes are of `base`, what the sample shop
sells is of `shop`.
"""

from __future__ import annotations

import colorsys
from dataclasses import replace
from typing import get_args

import numpy as np

from pvtt.builtin.shop.products import (
    CATEGORIES,
    STYLES,
    VARIED_PATTERNS,
    Colour,
    ProductSpec,
    nearest_colour,
    varied_spec,
)
from pvtt.records.bench import Material

NAMESPACE = "bench"
PER_TRIPLET = 8  # numbers of the family that a triplet may use: the new product, the old one, those like the new one
MATERIALS: tuple[Material, ...] = get_args(Material)
# What each material is seen on. Glass is as the renderer has it: coloured, smooth, opaque; nothing is refracted.
FORMS: dict[Material, dict[str, tuple[str, ...]]] = {
    "matte": {
        "bottle": STYLES["bottle"],
        "box": STYLES["box"],
        "mug": ("straight", "tapered", "barrel"),
        "bracelet": ("beaded",),
    },
    "metal": {
        "ring": ("solitaire", "trilogy", "twisted", "halo"),
        "bracelet": ("chain", "twisted"),
        "bottle": ("flask", "lotion"),
        "pendant": ("star", "heart"),
    },
    "glass": {"bottle": ("perfume", "wine", "carafe"), "pendant": ("drop",), "mug": ("straight", "tapered")},
    "patterned": {
        "box": ("carton", "case"),
        "ring": ("band",),
        "watch": STYLES["watch"],
        "bracelet": ("bangle",),
        "mug": ("straight", "barrel"),
    },
    "text": {
        "mug": ("straight", "tapered"),
        "bottle": ("wine", "lotion"),
        "box": ("carton", "tower"),
        "bracelet": ("cuff",),
        "pendant": ("medallion", "hexagon"),
        "ring": ("signet",),
    },
}
PLAIN: tuple[Material, ...] = ("matte", "metal", "glass")  # what is printed on them is of nearly their own colour
TONE = 0.2  # how far such a print is from the colour under it, towards black or white
NEAR_HUE = (0.08, 0.2)  # of the colour wheel, by which those that look alike differ


def new_product(number: int, material: Material, category: str) -> ProductSpec:
    """The product that takes another's place in triplet `number`.

    Raises:
        ValueError: The material is not seen on this category.
    """
    styles = FORMS[material].get(category)
    if styles is None:
        raise ValueError(f"no {category} is {material}: {', '.join(FORMS[material])}")
    return _made_of(varied_spec(NAMESPACE, number * PER_TRIPLET), material, category, styles)


def old_product(number: int, category: str) -> ProductSpec:
    """The product in the template of triplet `number`."""
    spec = varied_spec(NAMESPACE, number * PER_TRIPLET + 1)
    rng = np.random.default_rng([spec.seed, 3])
    return replace(spec, category=category, style=str(rng.choice(STYLES[category])))


def look_alikes(product: ProductSpec, number: int, material: Material, count: int) -> tuple[ProductSpec, ...]:
    """Others of the new product's category and material, of a near hue, with another print and other proportions."""
    found = []
    for place in range(count):
        spec = varied_spec(NAMESPACE, number * PER_TRIPLET + 2 + place)
        spec = _made_of(spec, material, product.category, FORMS[material][product.category])
        rng = np.random.default_rng([spec.seed, 4])
        turn = float(rng.uniform(*NEAR_HUE)) * (1 if place % 2 else -1)
        accent = _turned(product.accent, turn)
        if material == "metal" and place:  # one of another metal, the others of the same
            spec = replace(spec, metal=product.metal, metal_colour=product.metal_colour)
        colour = _turned(product.colour, turn)
        found.append(_coloured(spec, colour, _toned(colour) if material in PLAIN else accent))
    return tuple(found)


def other_category(number: int, category: str) -> str:
    """A category that is not this one."""
    rng = np.random.default_rng([varied_spec(NAMESPACE, number * PER_TRIPLET).seed, 6])
    return str(rng.choice([one for one in CATEGORIES if one != category]))


def _made_of(spec: ProductSpec, material: Material, category: str, styles: tuple[str, ...]) -> ProductSpec:
    rng = np.random.default_rng([spec.seed, 2])
    finish = {"matte": "matte", "metal": "metallic"}.get(material, "gloss")
    spec = replace(spec, category=category, style=str(rng.choice(styles)), finish=finish)
    if material in PLAIN:
        spec = _coloured(spec, spec.colour, _toned(spec.colour))
    if material == "patterned":  # of watches the strap is
        first, _, *rest = spec.proportions
        pattern = VARIED_PATTERNS[int(rng.integers(len(VARIED_PATTERNS)))]
        spec = replace(spec, pattern=pattern, proportions=(first, 0.25, *rest))
    return spec


def _coloured(spec: ProductSpec, colour: Colour, accent: Colour) -> ProductSpec:
    """In other colours, and called by them."""
    names = nearest_colour(colour), nearest_colour(accent)
    return replace(spec, colour=colour, accent=accent, colour_name=names[0], accent_name=names[1])


def _toned(colour: Colour) -> Colour:
    towards = 0.0 if sum(colour) > 1.5 else 1.0
    red, green, blue = (value + TONE * (towards - value) for value in colour)
    return red, green, blue


def _turned(colour: Colour, turn: float) -> Colour:
    hue, saturation, value = colorsys.rgb_to_hsv(*colour)
    return colorsys.hsv_to_rgb((hue + turn) % 1.0, max(saturation, 0.35), value)
