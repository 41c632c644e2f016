"""Retrieval by appearance: finds the product, isn't fooled by the mask, ignores what is transparent."""

from __future__ import annotations

import numpy as np
import pytest

from pvtt.evaluation.metrics.identity import embed, embed_photos, nearest
from tests.evaluation.clips import moving_box, noisy

COLOURS = {
    "A001": ((210, 40, 30), (240, 220, 60)),
    "B002": ((30, 60, 200), (230, 230, 230)),
    "C003": ((40, 150, 70), (20, 20, 20)),
    "D004": ((120, 40, 160), (240, 150, 60)),
}


def photo(colours: tuple[tuple[int, int, int], tuple[int, int, int]], side: int = 128) -> np.ndarray:
    """A striped square product on nothing; under the transparent pixels lies magenta."""
    image = np.full((side, side, 4), (255, 0, 255, 0), np.uint8)
    stripes = (np.arange(side - 32) // 12) % 2
    image[16:-16, 16:-16, :3] = np.where(stripes[None, :, None], *colours)
    image[16:-16, 16:-16, 3] = 255
    return image


@pytest.fixture(scope="module")
def gallery() -> dict:
    return {product: embed_photos([photo(colours)], 64) for product, colours in COLOURS.items()}


@pytest.mark.parametrize("product", COLOURS)
def test_clips_find_their_photos(product: str, gallery: dict) -> None:
    video, region = moving_box(COLOURS[product])
    for damaged in (video, noisy(video, 25)):
        look = embed(damaged, region)
        assert look is not None
        assert nearest(look, gallery) == product


def test_the_mask_alone_finds_nobody(gallery: dict) -> None:
    found = set()
    for colours in COLOURS.values():
        video, region = moving_box(colours)
        look = embed(np.where(region[..., None], np.uint8(128), video), region)
        assert look is not None
        found.add(nearest(look, gallery))
    assert len(found) == 1  # always the same product: right once in four, which is chance


def test_what_is_transparent_does_not_count() -> None:
    clean = photo(COLOURS["A001"])
    clean[clean[..., 3] == 0] = 0
    first, second = embed_photos([photo(COLOURS["A001"])], 64), embed_photos([clean], 64)
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.vector, second.vector, atol=1e-6)


def test_an_empty_region_has_no_appearance() -> None:
    video, region = moving_box()
    assert embed(video, np.zeros_like(region)) is None
    assert embed_photos([], 64) is None
