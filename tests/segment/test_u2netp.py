"""What counts as one product, and what as two."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pvtt.segment.u2netp import U2NetpDetector, separate_products
from tests.scenes import draw_shot

Canvas = npt.NDArray[np.float32]


def canvas() -> Canvas:
    return np.zeros((240, 360), np.float32)


def count(soft: Canvas) -> int:
    return len(separate_products(soft, threshold=0.5, min_area=0.002)[0])


def broken_bangle() -> Canvas:
    soft = canvas()
    cv2.ellipse(soft, (180, 120), (90, 60), 0, -84, 84, 1.0, 14)
    cv2.ellipse(soft, (180, 120), (90, 60), 0, 96, 264, 1.0, 14)
    return soft


def pendant_apart_from_its_chain() -> Canvas:
    soft = canvas()
    cv2.circle(soft, (180, 170), 40, 1.0, -1)
    cv2.ellipse(soft, (180, 78), (50, 40), 0, 0, 360, 1.0, 3)
    return soft


def beads() -> Canvas:
    soft = canvas()
    for angle in np.linspace(0, 2 * np.pi, 17, endpoint=False):
        cv2.circle(soft, (round(180 + 90 * np.cos(angle)), round(120 + 60 * np.sin(angle))), 12, 1.0, -1)
    return soft


def bottle_and_its_reflection() -> Canvas:
    soft = canvas()
    soft[60:150, 150:210] = 1.0
    soft[156:170, 155:205] = 0.9
    return soft


@pytest.mark.parametrize(
    "draw",
    [broken_bangle, pendant_apart_from_its_chain, beads, bottle_and_its_reflection],
    ids=lambda draw: draw.__name__,
)
def test_pieces_of_one_product_are_one(draw: object) -> None:
    assert callable(draw)
    assert count(draw()) == 1


def test_two_things_side_by_side_are_two_and_their_boxes_say_where() -> None:
    soft = canvas()
    soft[60:180, 40:120] = 1.0
    soft[80:180, 220:290] = 0.9
    boxes, scores = separate_products(soft, 0.5, 0.002)
    assert boxes.tolist() == [[40, 60, 120, 180], [220, 80, 290, 180]]
    assert scores == pytest.approx([1.0, 0.9])


def test_a_crumb_beside_the_product_is_not_a_second_one() -> None:
    soft = canvas()
    soft[60:180, 40:120] = 1.0
    soft[150:180, 220:260] = 1.0
    assert count(soft) == 1


def test_an_unsure_region_is_no_product() -> None:
    soft = canvas()
    soft[60:180, 40:120] = 0.6
    assert count(soft) == 0
    assert count(canvas()) == 0


@pytest.mark.parametrize(("seed", "products"), [(0, 1), (1, 1), (4, 2), (5, 2), (6, 0)])
def test_drawn_scenes_are_counted(seed: int, products: int) -> None:
    frames, masks = draw_shot(seed, 1, products)
    detection = U2NetpDetector().detect(frames[0])
    assert detection.num_products == products
    assert detection.mask is not None
    assert detection.mask.shape == masks[0].shape
    assert ((detection.mask >= 0.5) ^ (masks[0] > 0)).mean() < 0.005
