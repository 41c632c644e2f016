"""What a procedural product is: every property that its shape, its looks and its page follow from."""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass, replace

import numpy as np

CATEGORIES = ("ring", "bracelet", "pendant", "watch", "bottle", "box", "mug")

STYLES: dict[str, tuple[str, ...]] = {
    "ring": ("solitaire", "signet", "trilogy", "twisted", "halo", "band"),
    "bracelet": ("bangle", "beaded", "twisted", "cuff", "chain"),
    "pendant": ("medallion", "drop", "heart", "star", "cube", "hexagon"),
    "watch": ("round", "square", "diver", "dress"),
    "bottle": ("perfume", "wine", "lotion", "flask", "carafe"),
    "box": ("gift", "carton", "tower", "case"),
    "mug": ("straight", "tapered", "barrel", "enamel"),
}
PATTERNS = ("stripes", "dots", "chevrons", "checks", "diamonds", "waves", "triangles", "rings")
VARIED_PATTERNS = (*PATTERNS, "plaid", "speckle", "leather", "bars", "scales")  # of `varied_spec`
FINISHES = ("gloss", "satin", "matte", "metallic")  # of all that is not metal

# sRGB. Metals carry their name into the title; the others are paint, stone, leather, glaze and print.
METALS = {
    "gold": (1.00, 0.80, 0.40),
    "rose gold": (0.95, 0.66, 0.56),
    "silver": (0.93, 0.93, 0.94),
    "gunmetal": (0.42, 0.44, 0.48),
    "copper": (0.93, 0.55, 0.38),
    "bronze": (0.70, 0.52, 0.30),
}
COLOURS = {
    "teal": (0.03, 0.52, 0.52),
    "ruby": (0.78, 0.05, 0.15),
    "cobalt": (0.08, 0.22, 0.75),
    "saffron": (0.96, 0.68, 0.08),
    "emerald": (0.02, 0.55, 0.28),
    "violet": (0.45, 0.16, 0.70),
    "coral": (0.98, 0.42, 0.34),
    "sky": (0.36, 0.68, 0.95),
    "olive": (0.45, 0.48, 0.12),
    "magenta": (0.84, 0.10, 0.52),
    "ivory": (0.95, 0.92, 0.82),
    "navy": (0.06, 0.10, 0.32),
    "lime": (0.62, 0.82, 0.14),
    "terracotta": (0.72, 0.33, 0.18),
    "lilac": (0.76, 0.66, 0.92),
    "charcoal": (0.16, 0.16, 0.18),
}
_SYLLABLES = ("lu", "me", "ra", "vo", "ni", "ka", "sol", "te", "mi", "dor", "ela", "zen", "pa", "ori", "bel", "tan")

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class ProductSpec:
    """A product. Equal namespace and index give equal products; namespaces share none.

    Attributes:
        namespace: Family of products, for example "shop" (the sample shop) or "base" (training of the base model).
        index: Number in the family, from 0; the category cycles with it.
        category: One of `CATEGORIES`.
        style: One of `STYLES[category]`.
        seed: What everything random about the product is drawn from.
        metal, metal_colour: Name and sRGB in [0, 1]; of boxes, mugs and bottles it is the fittings'.
        colour_name, colour: Main colour: stone, enamel, dial, glass, print ground.
        accent_name, accent: Second colour: print, strap, cap.
        pattern: One of `PATTERNS`, printed on it.
        brand: A made-up name, printed on labels.
        proportions: Six numbers in [0, 1) that shape it.
        finish: One of `FINISHES`.
    """

    namespace: str
    index: int
    category: str
    style: str
    seed: int
    metal: str
    metal_colour: Colour
    colour_name: str
    colour: Colour
    accent_name: str
    accent: Colour
    pattern: str
    brand: str
    proportions: tuple[float, ...]
    finish: str = "gloss"

    @property
    def title(self) -> str:
        """As on the product's page, for example "Lumera rose gold solitaire ring with teal stone"."""
        style = self.style
        kind = f"{style} {self.category}"
        if self.category == "ring":
            detail = "inlay" if style in ("band", "twisted") else "enamel" if style == "signet" else "stone"
            text = f"{self.metal} {kind} with {self.colour_name} {detail}"
        elif self.category == "bracelet":
            if style == "beaded":
                text = f"{kind} in {self.colour_name} and {self.accent_name}"
            else:
                text = f"{self.metal} {kind} with {self.colour_name} enamel"
        elif self.category == "pendant":
            text = f"{self.metal} {kind} in {self.colour_name}"
        elif self.category == "watch":
            text = f"{self.metal} {kind} with {self.colour_name} dial and {self.accent_name} strap"
        else:
            text = f"{self.colour_name} {kind} with {self.accent_name} {self.pattern}"
        return f"{self.brand} {text}"

    @property
    def caption(self) -> str:
        """A sentence without the brand, as a captioner would write it."""
        return f"a {self.title.split(' ', 1)[1]} on a plain studio background"


def product_spec(namespace: str, index: int) -> ProductSpec:
    """The product `index` ≥ 0 of a family, always the same one.

    Neighbours in a category differ in style and walk through the palette, so that a small family is varied;
    shades and proportions are continuous, so that a large one never repeats.
    """
    if index < 0:
        raise ValueError(f"index {index} is negative")
    seed = int.from_bytes(hashlib.sha256(f"{namespace}:{index}".encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    category = CATEGORIES[index % len(CATEGORIES)]
    rank = index // len(CATEGORIES)
    start = hashlib.sha256(f"{namespace}/{category}".encode()).digest()

    metals, colours = list(METALS), list(COLOURS)
    styles = STYLES[category]
    metal = metals[(start[0] + rank) % len(metals)]
    place = start[1] + 7 * rank + rank // len(colours)  # 7 shares no factor with 16: all colours before any repeats
    colour_name = colours[place % len(colours)]
    # An accent of clearly other lightness keeps prints legible.
    light = [name for name in colours if _luma(COLOURS[name]) > 0.45]
    dark = [name for name in colours if _luma(COLOURS[name]) <= 0.45]
    accents = dark if colour_name in light else light
    accent_name = accents[(start[2] + 3 * rank + int(rng.integers(2))) % len(accents)]
    brand = "".join(_SYLLABLES[k] for k in rng.choice(len(_SYLLABLES), size=int(rng.integers(2, 4)), replace=False))
    return ProductSpec(
        namespace=namespace,
        index=index,
        category=category,
        style=styles[(start[3] + rank) % len(styles)],
        seed=seed,
        metal=metal,
        metal_colour=_shade(METALS[metal], rng, 0.008, 0.04),
        colour_name=colour_name,
        colour=_shade(COLOURS[colour_name], rng, 0.02, 0.08),
        accent_name=accent_name,
        accent=_shade(COLOURS[accent_name], rng, 0.02, 0.08),
        pattern=PATTERNS[(start[4] + 3 * rank) % len(PATTERNS)],
        brand=brand.capitalize(),
        proportions=tuple(float(value) for value in rng.random(6)),
    )


def varied_spec(namespace: str, index: int) -> ProductSpec:
    """The product `index` ≥ 0 of a family whose products have nothing in common: every property is drawn freely.

    Any category and style, any colours that tell the print from its ground, any finish, words of one to four syllables.
    The names of colours are the nearest in `COLOURS`.
    """
    plain = product_spec(namespace, index)
    rng = np.random.default_rng([plain.seed, 1])
    category = CATEGORIES[int(rng.integers(len(CATEGORIES)))]
    metal = list(METALS)[int(rng.integers(len(METALS)))]
    colour, accent = _free_colour(rng), _free_colour(rng)
    while abs(_luma(colour) - _luma(accent)) < 0.22:
        accent = _free_colour(rng)
    syllables = rng.choice(len(_SYLLABLES), size=int(rng.integers(1, 5)), replace=False)
    return replace(
        plain,
        category=category,
        style=STYLES[category][int(rng.integers(len(STYLES[category])))],
        metal=metal,
        metal_colour=_shade(METALS[metal], rng, 0.02, 0.1),
        colour_name=nearest_colour(colour),
        colour=colour,
        accent_name=nearest_colour(accent),
        accent=accent,
        pattern=VARIED_PATTERNS[int(rng.integers(len(VARIED_PATTERNS)))],
        brand="".join(_SYLLABLES[k] for k in syllables).capitalize(),
        finish=FINISHES[int(rng.choice(len(FINISHES), p=(0.55, 0.2, 0.15, 0.1)))],
    )


def _free_colour(rng: np.random.Generator) -> Colour:
    """Any hue; from grey to full, from dark to light."""
    hue, saturation, value = (float(number) for number in rng.random(3))
    return colorsys.hsv_to_rgb(hue, saturation**0.6, 0.06 + 0.92 * value**0.8)


def nearest_colour(colour: Colour) -> str:
    """The name in `COLOURS` of the colour nearest to this one."""
    return min(COLOURS, key=lambda name: float(np.linalg.norm(np.subtract(COLOURS[name], colour))))


def _shade(colour: Colour, rng: np.random.Generator, hue: float, value: float) -> Colour:
    """A nearby colour: hue and brightness moved by at most these amounts."""
    h, s, v = colorsys.rgb_to_hsv(*colour)
    h = (h + float(rng.uniform(-hue, hue))) % 1.0
    v = min(1.0, max(0.05, v + float(rng.uniform(-value, value))))
    return colorsys.hsv_to_rgb(h, s, v)


def _luma(colour: Colour) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
