"""Photos that are to show one product."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import pvtt.builtin.shop
from pvtt.generation.ad.photos import LINKED, linked, read_photos
from pvtt.generation.ad.refusal import AdError
from tests.generation.ad.films import BLUE, RED, write_photos

MEDIA = Path(pvtt.builtin.shop.__file__).parent / "site" / "media"


def of_shop(product: str) -> list[Path]:
    return sorted((MEDIA / product).glob("photo-*.jpg"))


def coloured(folder: Path, colours: list[tuple[int, int, int]]) -> list[Path]:
    """A photo of a box in each colour, cut out."""
    paths = []
    for number, colour in enumerate(colours):
        (folder / str(number)).mkdir()
        first, _ = write_photos(folder / str(number), colour=colour)
        paths.append(first.rename(folder / f"{number}.png"))
    return paths


def test_the_shops_photos_that_are_least_alike_are_of_one_product() -> None:
    assert len(read_photos(of_shop("JEWE021"))) == 4  # the ground shows through this bracelet in two of them


def test_a_mug_and_a_ring_are_different_products() -> None:
    paths = [of_shop("MUGS004")[0], of_shop("JEWE013")[0]]
    with pytest.raises(AdError, match=r"the photos show different products: .* by 0\.\d\d of 1") as raised:
        read_photos(paths)
    assert raised.value.reason == "different_products"
    assert "leave out photo-1.jpg" in str(raised.value.hint)


def test_the_photo_that_is_named_is_the_one_that_most_others_are_not_like(tmp_path: Path) -> None:
    paths = coloured(tmp_path, [RED, BLUE, BLUE])
    with pytest.raises(AdError, match=r"0\.png and 1\.png") as raised:
        read_photos(paths)
    assert str(raised.value.hint).endswith("leave out 0.png")
    assert len(read_photos(paths[1:])) == 2


def test_photos_hang_together_by_others_between_them() -> None:
    angle = 0.95 * np.arccos(LINKED)  # a step that links; two do not
    looks = [np.array([np.cos(place), np.sin(place)], np.float32) for place in (0, 2 * angle, 0.4 * np.pi)]
    assert linked([looks[0], looks[1]]) == [[0], [1]]
    assert linked([looks[0], looks[1], np.array([np.cos(angle), np.sin(angle)], np.float32)]) == [[0, 1, 2]]


def test_a_photo_that_came_cut_out_with_nothing_left_is_named(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((64, 64, 4), np.uint8))
    with pytest.raises(AdError, match=r"empty\.png: nothing in it is opaque") as raised:
        read_photos([tmp_path / "empty.png"])
    assert raised.value.reason == "bad_photo"


@pytest.mark.parametrize(
    "size", [(10_100, 10_000), (20_000, 10_000)]
)  # Pillow warns of the first and refuses the second
def test_a_photo_of_more_than_a_hundred_megapixels_is_one_line(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("1", size).save(tmp_path / "large.png")
    with pytest.raises(AdError, match=r"large\.png has more than 89 megapixels") as raised:
        read_photos([tmp_path / "large.png"])
    assert raised.value.reason == "bad_photo"
    assert "make it smaller" in str(raised.value.hint)
