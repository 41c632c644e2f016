"""Saliency's false fillings."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pvtt import builtin
from pvtt.foreground import holes
from pvtt.foreground.holes import carve_holes, foreground
from pvtt.foreground.saliency import saliency
from pvtt.media.arrays import Frame, SoftMask


def backdrop() -> Frame:
    shade = np.linspace(0.8, 1.1, 240)[:, None, None]
    grain = np.random.default_rng(0).normal(0, 1.5, (240, 320, 3))
    return np.clip(np.array([170, 150, 140]) * shade + grain, 0, 255).astype(np.uint8)


def ring_on_backdrop() -> tuple[Frame, SoftMask, SoftMask]:
    """A photo of a ring, a mask that fills it, and its exact mask."""
    image, filled, exact = backdrop(), np.zeros((240, 320), np.float32), np.zeros((240, 320), np.float32)
    cv2.circle(image, (160, 120), 60, (200, 160, 40), 22)
    cv2.circle(filled, (160, 120), 71, 1.0, -1)
    cv2.circle(exact, (160, 120), 60, 1.0, 22)
    return image, filled, exact


def iou(a: SoftMask, b: SoftMask) -> float:
    return float(((a >= 0.5) & (b >= 0.5)).sum() / ((a >= 0.5) | (b >= 0.5)).sum())


def test_a_filled_ring_is_opened() -> None:
    image, filled, exact = ring_on_backdrop()
    assert iou(filled, exact) < 0.6
    assert iou(carve_holes(image, filled), exact) > 0.93


def test_a_shadow_inside_the_ring_belongs_to_the_hole() -> None:
    image, filled, exact = ring_on_backdrop()
    shadow = np.ones((240, 320, 1))
    cv2.circle(shadow, (160, 150), 18, 0.7, -1)
    image = np.where(exact[..., None] > 0, image, image * cv2.GaussianBlur(shadow, (0, 0), 5)[..., None]).astype(
        np.uint8
    )
    assert iou(carve_holes(image, filled), exact) > 0.9


SHOP = Path(builtin.__file__).parent / "shop" / "site" / "media"


@pytest.mark.parametrize(
    ("photo", "middle"),
    [
        ("JEWE017/photo-1.jpg", (286, 310)),  # a ring before a pattern
        ("JEWE002/photo-1.jpg", (281, 303)),  # a chain of the backdrop's colour
        ("JEWE026/photo-2.jpg", (289, 303)),  # a bangle, grey before grey
    ],
)
def test_the_inside_of_a_photographed_ring_is_opened(photo: str, middle: tuple[int, int]) -> None:
    image = np.asarray(Image.open(SHOP / photo))
    x, y = middle
    assert saliency(image)[y - 30 : y + 30, x - 30 : x + 30].min() > 0.5
    assert foreground(image)[y - 30 : y + 30, x - 30 : x + 30].max() == 0


def test_a_ring_of_which_the_network_took_the_inside_is_seen_again() -> None:
    image = np.asarray(Image.open(SHOP / "JEWE021/photo-2.jpg"))  # braided, before a dark backdrop
    around = [(284, 467), (397, 185), (284, 134), (148, 163), (89, 298), (162, 420)]  # rows and columns of the braid
    first = carve_holes(image, saliency(image))
    assert first[250:330, 250:330].min() > 0.9
    assert min(first[place] for place in around) < 0.1
    found = foreground(image)
    assert found[250:330, 250:330].max() == 0
    assert min(found[place] for place in around) > 0.99


def test_a_product_in_the_backdrops_colour_is_not_lost_by_looking_again(monkeypatch: pytest.MonkeyPatch) -> None:
    image, mask = backdrop(), np.zeros((240, 320), np.float32)
    mask[60:200, 110:210] = 1.0
    speck = np.zeros_like(mask)
    speck[60:70, 110:120] = 1.0
    looks = [lambda _: np.zeros_like(mask), lambda _: speck]
    monkeypatch.setattr(holes, "saliency", lambda _: mask)
    monkeypatch.setattr(holes, "OTHER_VIEWS", looks)
    np.testing.assert_array_equal(foreground(image), mask)


@pytest.mark.parametrize("light", [0.5, 0.65])
def test_a_darker_side_of_a_product_in_the_backdrops_colour_is_kept(light: float) -> None:
    image, mask = backdrop(), np.zeros((240, 320), np.float32)
    image[60:200, 110:210] = (30, 90, 60)
    image[90:170, 130:190] = image[90:170, 10:70] * light
    mask[60:200, 110:210] = 1.0
    np.testing.assert_array_equal(carve_holes(image, mask), mask)


@pytest.mark.parametrize("label", [(250, 250, 245), (40, 60, 160)], ids=["white", "blue"])
def test_a_label_in_another_colour_is_kept(label: tuple[int, int, int]) -> None:
    image, mask = backdrop(), np.zeros((240, 320), np.float32)
    image[60:200, 110:210] = (30, 90, 60)
    image[100:160, 125:195] = label
    mask[60:200, 110:210] = 1.0
    np.testing.assert_array_equal(carve_holes(image, mask), mask)


def test_a_product_of_the_backdrops_colour_is_kept_whole() -> None:
    mask = np.zeros((240, 320), np.float32)
    mask[60:200, 110:210] = 1.0
    np.testing.assert_array_equal(carve_holes(backdrop(), mask), mask)


def test_nothing_to_carve_and_nothing_to_fit_change_nothing() -> None:
    for value in (0.0, 1.0):
        mask = np.full((240, 320), value, np.float32)
        np.testing.assert_array_equal(carve_holes(backdrop(), mask), mask)


def test_foreground_is_found_and_deterministic() -> None:
    image, _, exact = ring_on_backdrop()
    found = foreground(image)
    assert found.dtype == np.float32
    assert iou(found, exact) > 0.9
    np.testing.assert_array_equal(found, foreground(image))
