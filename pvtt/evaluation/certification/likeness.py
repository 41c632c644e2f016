"""Who a product looks like: retrieval by appearance, and the crops that the networks see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pvtt.evaluation.certification.check import near, require
from pvtt.evaluation.certification.drawn import (
    LEFT,
    PRODUCT_HEIGHT,
    PRODUCT_WIDTH,
    PRODUCTS,
    SIDE,
    TOP,
    film,
    photo,
    to_levels,
)
from pvtt.evaluation.metrics.colour import main_colours, product_delta_e
from pvtt.evaluation.metrics.identity import embed, embed_photos, nearest
from pvtt.evaluation.metrics.metric import Scene
from pvtt.evaluation.metrics.similarity import crop_product, on_white


def checks(scene: Scene) -> Iterator[str]:
    """The names of the checks that passed. Raises `PvttError` where one failed."""
    yield _everyone_is_found(scene)
    yield _distances(scene)
    yield _lids_and_bodies()
    yield _transparent_does_not_count()
    yield _palette()
    yield _crops(scene)


def _everyone_is_found(scene: Scene) -> str:
    found = {}
    for product_id in PRODUCTS:
        look = embed(film(product_id), scene.product)
        found[product_id] = None if look is None else nearest(look, scene.gallery)
    return require(all(one == name for name, one in found.items()), "each product finds its own photos", found)


def _distances(scene: Scene) -> str:
    """Of a film to its own photos, and to another's: this project's own figures."""
    look = embed(film("TRUE001"), scene.product)
    if look is None:
        return require(False, "distances of looks", None)
    found = {name: float(np.linalg.norm(look.vector - other.vector)) for name, other in scene.gallery.items()}
    expected = {"TRUE001": 0.0441, "OTHER002": 2.359, "OLD003": 3.048}
    fits = found.keys() == expected.keys() and all(near(found[name], expected[name], 0.02) for name in expected)
    return require(fits, "distances of looks", found)


def _lids_and_bodies() -> str:
    """The same colours upside down are another product's, and only by where they are."""
    region = np.ones((2, 30, 20), np.bool_)
    upright = np.full((2, 30, 20, 3), (200, 40, 40), np.uint8)
    upright[:, :10] = (40, 60, 200)
    looks = [embed(video, region) for video in (upright, upright[:, ::-1], upright)]
    if None in looks:
        return require(False, "a lid is told from a body", looks)
    first, turned, again = (look.vector for look in looks if look is not None)
    apart = float(np.linalg.norm(first - turned)), float(np.linalg.norm(first - again))
    return require(apart[0] > 0.5 and apart[1] < 1e-9, "a lid is told from a body", apart)


def _transparent_does_not_count() -> str:
    seen, clean = photo("TRUE001"), photo("TRUE001")
    clean[clean[..., 3] == 0] = 0
    looks = [embed_photos([one], side) for one in (seen, clean) for side in (SIDE, SIDE // 2)]
    vectors = [look.vector for look in looks if look is not None]
    same = len(vectors) == 4 and all(np.allclose(vectors[index], vectors[index + 2], atol=1e-6) for index in (0, 1))
    veiled, shown = clean.copy(), seen[..., 3] > 0
    veiled[..., 3] = np.where(shown, 204, 0)
    look = embed_photos([veiled], SIDE)
    same &= look is not None and float(np.linalg.norm(look.vector - vectors[0])) < 0.1
    white = on_white(seen)
    over = bool((white[~shown] == 255).all() and (white[shown] == seen[..., :3][shown]).all())
    half = on_white(np.full((1, 1, 4), (100, 0, 200, 128), np.uint8))[0, 0].tolist()
    return require(same and over and half == [177, 127, 227], "what is transparent does not count", (same, over, half))


def _palette() -> str:
    """Of known colours: the palette is these, and an exchanged one costs its share."""
    red, yellow, blue = (210, 40, 30), (240, 220, 60), (40, 60, 220)
    region = np.ones((1, 8, 16), np.bool_)
    first, second = np.full((1, 8, 16, 3), red, np.uint8), np.full((1, 8, 16, 3), red, np.uint8)
    first[:, :, 12:], second[:, :, 12:] = yellow, blue
    palette = main_colours(first, region)
    shares = [] if palette is None else sorted(palette.shares.tolist())
    value = product_delta_e(first, second, region)
    ramp = to_levels(np.linspace((20.0, 60, 200), (230, 120, 40), 64)[None, None].repeat(16, axis=1))
    four = main_colours(ramp, np.ones(ramp.shape[:3], np.bool_))
    spread = [] if four is None else sorted(four.shares.round(2).tolist())
    expected = 86.630825  # scikit-image, deltaE_ciede2000 of yellow and blue
    fits = shares == [0.25, 0.75] and near(value, expected / 4, 1e-3) and len(spread) == 4 and min(spread) > 0.15
    return require(fits, "main colours and what they cost", (shares, value, spread))


def _crops(scene: Scene) -> str:
    """The product's box with a tenth around it, in every frame that shows it."""
    region = scene.product.copy()
    region[1] = False
    crops = crop_product(scene.truth, region)
    margin = round(0.1 * (PRODUCT_WIDTH - 1))
    sizes = {crop.shape for crop in crops}
    expected = {(PRODUCT_HEIGHT + 2 * margin, PRODUCT_WIDTH + 2 * margin, 3)}
    top, left = TOP - margin, LEFT - margin
    first = scene.truth[0, top : top + PRODUCT_HEIGHT + 2 * margin, left : left + PRODUCT_WIDTH + 2 * margin]
    same = sizes == expected and bool((crops[0] == first).all())
    return require(len(crops) == 4 and same, "networks see the product's box", (len(crops), sizes, same))
