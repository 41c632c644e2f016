from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.encoding.moments import Look, Moments
from pvtt.media.arrays import Frame, MaskFrame, Rgba
from pvtt.media.cutouts import letterbox
from pvtt.media.likeness import distance, perceptual_hash
from pvtt.media.video import read_video, write_video
from tests.scenes import draw_shot

FPS = 12
MOST = 4


def as_jpeg(picture: Frame) -> Frame:
    """As a shop's page would have it."""
    _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def cut_out(picture: Frame, mask: MaskFrame) -> Rgba:
    """As the photos stage leaves it."""
    return letterbox(np.dstack([as_jpeg(picture), mask]), 128, 0.06)


@pytest.fixture
def moments(tmp_path: Path) -> Moments:
    frames, masks = draw_shot(0, 36)
    write_video(tmp_path / "film.mp4", frames, FPS)
    return Moments.read(tmp_path / "film.mp4", masks, FPS)


def test_a_frame_of_the_film_is_known_whole_cropped_and_cut_out(moments: Moments) -> None:
    frames, masks = draw_shot(0, 36)
    grey = np.zeros((128, 128, 4), np.uint8)  # a photo whose product nobody could cut out
    for place in (0, 7, 35):
        picture, mask = frames[place], masks[place]
        assert moments.show(grey, perceptual_hash(as_jpeg(picture)), MOST)
        rows, columns = slice(16, 112), slice(48, 144)
        assert moments.show(cut_out(picture[rows, columns], mask[rows, columns]), None, MOST)
        assert moments.show(cut_out(picture, mask), None, MOST)


def test_the_same_product_elsewhere_and_another_in_its_place_are_no_moment(moments: Moments) -> None:
    frames, masks = draw_shot(0, 36)
    picture, mask = frames[7], masks[7]
    darker = (picture * 0.6).astype(np.uint8)
    other = picture[..., ::-1].copy()  # blue for red: a pHash does not see it
    turned = cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE), cv2.rotate(mask, cv2.ROTATE_90_CLOCKWISE)
    for view, shape in ((darker, mask), (other, mask), turned):
        assert not moments.show(cut_out(view, np.asarray(shape)), None, MOST)
    assert distance(perceptual_hash(other), perceptual_hash(picture)) <= 10
    assert not moments.show(cut_out(darker, mask), perceptual_hash(draw_shot(3, 1)[0][0]), MOST)


def test_few_frames_are_looked_at_and_only_where_the_product_is(tmp_path: Path) -> None:
    frames, masks = draw_shot(0, 36)
    masks[18:] = 0
    write_video(tmp_path / "film.mp4", frames, FPS)
    moments = Moments.read(tmp_path / "film.mp4", masks, FPS)
    assert 9 <= len(moments.frames) <= 12  # of three seconds
    assert len(moments.frames) / 3 < len(moments.products) < len(moments.frames)
    whole = [perceptual_hash(frame) for frame in read_video(tmp_path / "film.mp4")]
    assert all(min(distance(look, one) for one in whole) <= MOST for look in moments.frames)


def test_what_shows_no_product_is_no_look() -> None:
    assert Look.of(np.zeros((8, 8, 4), np.uint8)) is None
