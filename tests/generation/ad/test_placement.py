"""One photo in its place in all of a shot."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from pvtt.encoding.collage import Collage
from pvtt.encoding.crop import bounding_box
from pvtt.generation.ad.region import ShotPlan, Stretch, plan_shot
from pvtt.generation.ad.settings import AdSettings
from pvtt.generation.ad.windows import WindowMaker
from pvtt.generation.inputs import TemplateInput
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Region
from tests.generation.ad.films import PARAMS, disc_shot, noise, swinging
from tests.generation.ad.test_region import MODEL, photo
from tests.tiny_wan import build_tiny_base, build_tiny_pipeline

SIZE = (192, 128)
PHOTOS = [photo(40, 16), photo(18, 40)]


def plan(product: Region, size: tuple[int, int] = SIZE, aspect: Fraction = Fraction(1)) -> ShotPlan:
    return plan_shot(product, PHOTOS, MODEL, size, aspect, Fraction(20))


def layers(planned: ShotPlan, stretch: Stretch, frames: list[int], size: tuple[int, int] = SIZE) -> Collage:
    """The photo in some frames of a stretch, before a grey template."""
    assert planned.placement is not None
    assert stretch.view is not None
    places = [frame - stretch.first for frame in frames]
    holes = stretch.holes[places]
    pixels = np.full((*holes.shape, 3), 120, np.uint8)
    return planned.placement.layers(stretch.view, size, frames, places, pixels, holes)


def box_in_template(
    stretch: Stretch, frame: int, region: npt.NDArray[np.bool_], size: tuple[int, int] = SIZE
) -> npt.NDArray[np.float64]:
    """A window's region's box, in the template's pixels."""
    assert stretch.view is not None
    scale, shift = stretch.view.affine(size, frame - stretch.first)
    return (np.array(bounding_box(region)).reshape(2, 2) - shift) / scale


def test_the_photo_stands_where_the_old_product_does_and_is_as_large() -> None:
    _, masks = disc_shot(200)
    planned = plan(masks > 127)
    (stretch,) = planned.stretches
    for frame, region in enumerate(layers(planned, stretch, list(range(14))).region):
        (left, top), (right, bottom) = box_in_template(stretch, frame, region)
        old = bounding_box(masks[frame] > 127)
        assert (left + right) / 2 == pytest.approx((old[0] + old[2]) / 2, abs=2)
        assert bottom == pytest.approx(old[3], abs=3)
        assert np.hypot(right - left, bottom - top) == pytest.approx(61, rel=0.06)  # the disc's diameter


def test_a_frame_is_the_same_in_each_window_that_has_it() -> None:
    _, masks = disc_shot(200)
    planned = plan(masks > 127)
    (stretch,) = planned.stretches
    whole = layers(planned, stretch, list(range(14))).layer
    for window in planned.windows:
        assert (layers(planned, stretch, list(window)).layer == whole[list(window)]).all()


def test_between_crops_of_two_sizes_it_stays_in_its_place() -> None:
    planned = plan(swinging(), (400, 120))
    assert len(planned.stretches) > 1
    for one, other in zip(planned.stretches, planned.stretches[1:], strict=False):
        boxes = [
            box_in_template(stretch, one.last, layers(planned, stretch, [one.last], (400, 120)).region[0], (400, 120))
            for stretch in (one, other)
        ]
        assert one.view is not None
        assert boxes[0] == pytest.approx(boxes[1], abs=1.5 * max(one.view.path.crop_size) / 48)


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(4, 3)])
def test_nothing_of_it_is_cut_off_by_the_hole(aspect: Fraction) -> None:
    product = np.zeros((41, 128, 192), np.bool_)
    trembling = np.random.default_rng(0).integers(-2, 3, (41, 2))
    for frame, (x, y) in enumerate(trembling):
        cv2.ellipse(mask := np.zeros((128, 192), np.uint8), (60 + frame + x, 70 + y), (24, 33), 0, 0, 360, 1, -1)
        product[frame] = mask > 0
    planned = plan(product, aspect=aspect)
    for stretch in planned.stretches:
        frames = list(range(stretch.first, stretch.last + 1))
        assert not (layers(planned, stretch, frames).region & ~stretch.holes).any()


def test_it_is_smaller_where_it_would_leave_the_frame() -> None:
    product = np.zeros((9, 128, 192), np.bool_)
    product[:, 2:66, 40:120] = True
    high = plan_shot(product, [photo(8, 40)], MODEL, SIZE, Fraction(1), Fraction(20)).placement
    assert high is not None
    assert high.scale == pytest.approx(66 / np.hypot(64, 80), rel=0.05)


def test_the_photo_most_like_the_old_product_is_taken() -> None:
    for wide in (True, False):
        product = np.zeros((5, 128, 192), np.bool_)
        product[:, 50:78, 60:130] = wide
        product[:, 30:100, 80:108] |= not wide
        placement = plan(product).placement
        assert placement is not None
        height, width = placement.cutout.alpha.shape
        assert (width > height) == wide


def test_a_place_that_is_given_is_the_one_that_is_used(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    _, masks = disc_shot(200)
    planned = plan(masks > 127)
    (stretch,) = planned.stretches
    given = layers(planned, stretch, list(range(5)))
    pipeline = build_tiny_pipeline(build_tiny_base(tmp_path / "base"), PARAMS)
    window = noise((5, 32, 48, 3))
    one = TemplateInput(window, stretch.holes[:5], tuple(PHOTOS), "", given)
    draft = pipeline.drafts([one])
    other = TemplateInput(window, stretch.holes[:5], tuple(PHOTOS), "", Collage(given.layer * 0))
    assert not torch.equal(draft, pipeline.drafts([other]))
    assert torch.equal(draft, pipeline.drafts([one]))


def test_a_window_is_made_anew_where_the_photo_stands_elsewhere(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    folder = tmp_path / "model"
    pipeline = build_tiny_pipeline(build_tiny_base(tmp_path / "base"), PARAMS)
    pipeline.save_pretrained(folder)
    model = replace(MODEL, folder=folder, strength=0.5)
    maker = WindowMaker(model, "0" * 64, tuple(PHOTOS), AdSettings(), 1, ItemCache(tmp_path / "cache"))
    _, masks = disc_shot(200)
    planned = plan(masks > 127)
    (stretch,) = planned.stretches
    window, holes = noise((5, 32, 48, 3)), stretch.holes[:5]
    one = layers(planned, stretch, list(range(5)))
    first = maker.make(window, holes, None, one)
    assert not first.cached
    assert maker.make(window, holes, None, one).cached
    moved = maker.make(window, holes, None, Collage(np.roll(one.layer, 3, axis=2)))
    assert not moved.cached
    assert (moved.video != first.video).any()
