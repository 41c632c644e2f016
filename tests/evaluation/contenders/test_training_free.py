"""The routes that need no weights: what they paste follows the template's product, and nothing else decides it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pvtt.encoding.collage import HoleShape
from pvtt.evaluation.contenders.contender import Route, Setting
from pvtt.evaluation.contenders.first_frame import FirstFrame
from pvtt.evaluation.contenders.motion import TemplateMotion
from pvtt.evaluation.contenders.points import Points
from pvtt.media.arrays import Region, Video
from tests.evaluation.contenders.scenes import NUM_FRAMES, Moving, ends, filmed, task_of

ROUTES = pytest.mark.parametrize("route", [Points(), FirstFrame()], ids=lambda route: route.name)
SETTING = Setting(None, np.zeros(3, np.uint8), HoleShape("box", 0.06))  # type: ignore[arg-type]


def made(route: Route, template: Video, product: Region) -> Video:
    (video,) = route.videos([task_of(template, product)], SETTING)
    assert video is not None
    return video


@ROUTES
@pytest.mark.parametrize("moving", [Moving(2.5, 1.0), Moving(1.5, -0.5, turn=4.0), Moving(1.0, 0.5, -3.0, 1.03)])
def test_the_pasted_photo_follows_the_products_shift_turn_and_growth(route: Route, moving: Moving) -> None:
    found = ends(made(route, *filmed(moving)))
    for frame in range(NUM_FRAMES):
        matrix = moving.transform(frame)
        wanted = found[0] @ matrix[:, :2].T + matrix[:, 2]
        assert np.linalg.norm(found[frame] - wanted, axis=-1).max() < 1.5


@ROUTES
def test_on_a_product_that_stands_still_it_stands_still(route: Route) -> None:
    template, product = filmed(Moving())
    video = made(route, template, product)
    assert np.abs(np.diff(video.astype(int), axis=0)).max() <= 2
    pasted = task_of(template, product)
    assert np.abs(video[0].astype(int) - pasted.collage.over(pasted.inpainted)[0]).max() <= 1  # the paste's first frame


@ROUTES
def test_of_the_templates_product_only_its_motion_is_used(route: Route) -> None:
    """Another skin that moves alike gives the same film, but for what flow makes of it."""
    template, product = filmed(Moving(2.0, 0.5))
    task = task_of(template, product)
    other = np.where(product[..., None], 255 - template, template)
    (first,) = route.videos([task], SETTING)
    (second,) = route.videos([replace(task, motion=TemplateMotion(other, product))], SETTING)
    assert first is not None
    assert second is not None
    assert np.abs(first.astype(int) - second).mean() < 1
    (unknown,) = route.videos([replace(task, motion=None)], SETTING)
    assert unknown is None


@ROUTES
def test_without_photos_nothing_is_pasted(route: Route) -> None:
    task = task_of(*filmed(Moving(2.0, 0.5)))
    empty = replace(task, collage=type(task.collage)(np.zeros_like(task.collage.layer)))
    (video,) = route.videos([empty], SETTING)
    assert video is not None
    assert (video == task.inpainted).all()
