"""A photo pasted into the hole: placed by the hole alone, at the right size, without jumps."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from pvtt.encoding.collage import HoleShape, cell_size
from pvtt.encoding.masks import MaskShape, conditioning_mask
from pvtt.evaluation.contenders.contender import Setting, Task
from pvtt.evaluation.contenders.paste import Paste
from pvtt.evaluation.generate import Pasting
from pvtt.media.arrays import Region, Rgba, Video
from pvtt.media.inpaint import inpaint

HEIGHT, WIDTH, NUM_FRAMES = 96, 144, 9
RED, BLUE = (210, 30, 30), (30, 40, 200)
DILATION = 0.03
GRID = HoleShape("grid", DILATION)


def photo(colour: tuple[int, int, int], half_width: int, half_height: int) -> Rgba:
    """An ellipse on nothing, 256×256."""
    picture = np.zeros((256, 256, 4), np.uint8)
    cv2.ellipse(picture, (128, 128), (half_width, half_height), 0, 0, 360, (*colour, 255), -1)
    return picture


def moving(
    starts: tuple[float, float], ends: tuple[float, float], half_widths: tuple[float, float], aspect: float = 0.7
) -> tuple[Video, Region]:
    """A green ellipse on a ground of stripes that moves and grows, and where it is. `aspect`: height over width."""
    video = np.zeros((NUM_FRAMES, HEIGHT, WIDTH, 3), np.uint8)
    video[...] = 120 + 40 * (np.arange(WIDTH)[:, None] // 12 % 2)
    product = np.zeros((NUM_FRAMES, HEIGHT, WIDTH), np.uint8)
    for index, time in enumerate(np.linspace(0, 1, NUM_FRAMES)):
        x, y = np.array(starts) * (1 - time) + np.array(ends) * time
        half_width = half_widths[0] * (1 - time) + half_widths[1] * time
        axes = (round(half_width * 16), round(half_width * aspect * 16))
        cv2.ellipse(product[index], (round(x * 16), round(y * 16)), axes, 0, 0, 360, 1, -1, shift=4)
    region = product.astype(np.bool_)
    video[region] = (40, 200, 60)
    return video, region


def hole_of(product: Region, kind: str = "grid") -> Region:
    return conditioning_mask(product, MaskShape(kind), DILATION)  # type: ignore[arg-type]


def paste(template: Video, hole: Region, photos: Sequence[Rgba], shape: HoleShape) -> Video:
    """What the contender makes of a task."""
    pasting = Pasting(template, inpaint(template, hole), hole, photos, shape, fill=0.0)
    task = Task("A_001", template, hole, photos, None, None, pasting.inpainted, pasting.collage)
    (video,) = Paste().videos([task], Setting(None, np.zeros(3, np.uint8), shape))  # type: ignore[arg-type]
    assert video is not None
    return video


def where_red(video: Video) -> npt.NDArray[np.bool_]:
    pixels = video.astype(int)
    return np.asarray((pixels[..., 0] > 150) & (pixels[..., 2] < 90) & (pixels[..., 1] < 90))


def centre(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    rows, columns = np.nonzero(region)
    return np.array([columns.mean(), rows.mean()])


def test_it_sees_nothing_of_the_truth() -> None:
    truth, product = moving((50, 40), (90, 55), (24, 24))
    hole, photos = hole_of(product), [photo(RED, 100, 70)]
    noise = np.random.default_rng(0).integers(0, 256, truth.shape, dtype=np.uint8)
    other = np.where(hole[..., None], noise, truth)
    assert (paste(truth, hole, photos, GRID) == paste(other, hole, photos, GRID)).all()


@pytest.mark.parametrize("kind", ["grid", "box", "outline"])
def test_it_follows_a_moving_hole_at_the_products_size(kind: str) -> None:
    truth, product = moving((45, 36), (95, 58), (18, 26))
    pasted = paste(truth, hole_of(product, kind), [photo(RED, 100, 70)], HoleShape(kind, DILATION))  # type: ignore[arg-type]
    for index in range(NUM_FRAMES):
        found = where_red(pasted[index])
        assert np.abs(centre(found) - centre(product[index])).max() < 3
        assert np.sqrt(found.sum() / product[index].sum()) == pytest.approx(1, abs=0.12)


def test_it_moves_steadily_although_the_holes_cells_jump() -> None:
    truth, product = moving((45, 36), (95, 58), (22, 22))
    pasted = paste(truth, hole_of(product), [photo(RED, 100, 70)], GRID)
    steps = np.diff([centre(where_red(frame)) for frame in pasted], axis=0)
    assert np.abs(steps - steps.mean(axis=0)).max() < 0.5


def test_the_photo_whose_pose_fits_is_taken() -> None:
    photos = [photo(BLUE, 40, 110), photo(RED, 110, 77)]
    truth, product = moving((70, 48), (74, 48), (30, 30))
    assert where_red(paste(truth, hole_of(product), photos, GRID)).any()
    truth, product = moving((70, 48), (74, 48), (12, 12), aspect=2.75)
    assert not where_red(paste(truth, hole_of(product), photos, GRID)).any()


def test_edges_are_soft() -> None:
    truth, product = moving((70, 48), (74, 48), (30, 30))
    truth[~product] = 255
    pasted = paste(truth, hole_of(product), [photo(RED, 110, 77)], GRID)[0]
    green = pasted[..., 1].astype(int)
    edge = (green > 60) & (green < 225)
    length = np.pi * 2 * 26
    assert 0.5 * length < edge.sum() < 3 * length


def test_without_photos_or_hole_nothing_is_pasted() -> None:
    truth, product = moving((70, 48), (74, 48), (30, 30))
    hole = hole_of(product)
    assert (paste(truth, hole, [], GRID) == inpaint(truth, hole)).all()
    empty = [np.zeros((64, 64, 4), np.uint8)]
    assert (paste(truth, hole, empty, GRID) == inpaint(truth, hole)).all()
    assert (paste(truth, np.zeros_like(hole), [photo(RED, 100, 70)], GRID) == truth).all()


def test_a_product_that_leaves_the_frame_and_frames_without_a_hole_are_no_obstacle() -> None:
    truth, product = moving((40, 48), (170, 48), (24, 24))
    hole = hole_of(product)
    assert not hole[-1].any()
    pasted = paste(truth, hole, [photo(RED, 100, 70)], GRID)
    assert np.abs(centre(where_red(pasted[0])) - centre(product[0])).max() < 5


def test_the_side_of_a_holes_cells_is_read_from_its_edges() -> None:
    hole = np.zeros((2, 48, 96), np.bool_)
    hole[0, 12:36, 24:60] = True
    hole[1, 12:48, 36:60] = True
    assert cell_size(hole) == 12
    hole[1, 10, 40] = True
    assert cell_size(hole) == 1
    assert cell_size(np.zeros((1, 8, 8), np.bool_)) == 1
