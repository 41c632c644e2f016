from __future__ import annotations

import cv2
import numpy as np
import pytest

from pvtt.encoding.points import point_patches, track_points

HEIGHT, WIDTH = 64, 96


def moving_texture(num_frames: int, speed: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A square of smooth noise that moves over grey by `speed` pixels a frame, and where it is."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    texture = np.asarray(cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX))  # type: ignore[call-overload]
    pixels = np.full((num_frames, HEIGHT, WIDTH, 3), 128, np.uint8)
    product = np.zeros((num_frames, HEIGHT, WIDTH), bool)
    for frame in range(num_frames):
        left, top = 20 + speed[0] * frame, 16 + speed[1] * frame
        pixels[frame, top : top + 24, left : left + 24] = texture
        product[frame, top : top + 24, left : left + 24] = True
    return pixels, product


def test_points_move_with_the_product() -> None:
    pixels, product = moving_texture(9, (3, 1))
    tracks = track_points(pixels, product, 6)
    assert 3 <= len(tracks) <= 6
    whole = tracks[~np.isnan(tracks).any((1, 2))]
    assert len(whole) >= 3
    steps = np.diff(whole, axis=1)
    assert np.abs(steps - [3, 1]).max() < 0.3
    assert (track_points(pixels, product, 6) == tracks)[~np.isnan(tracks)].all()


def test_a_point_that_is_covered_or_leaves_the_product_is_lost_for_good() -> None:
    pixels, product = moving_texture(9, (0, 0))
    pixels[4:, :, :32] = np.random.default_rng(1).integers(0, 256, (5, HEIGHT, 32, 3))  # something comes before it
    product[6:, :28] = False
    tracks = track_points(pixels, product, 12)
    lost = np.isnan(tracks[..., 0])
    assert (np.diff(lost.astype(int), axis=1) >= 0).all()
    assert lost[tracks[:, 0, 0] < 28, 4:].all()
    assert lost[tracks[:, 0, 1] < 27, 6:].all()
    assert not lost[:, 0].any()


def test_points_start_where_the_product_first_shows_and_there_are_none_without() -> None:
    pixels, product = moving_texture(9, (2, 0))
    product[:2] = False
    tracks = track_points(pixels, product, 4)
    assert np.isnan(tracks[:, :2]).all()
    assert not np.isnan(tracks[:, 2]).any()
    assert track_points(pixels, np.zeros_like(product), 4).shape == (0, 9, 2)
    assert track_points(np.full_like(pixels, 9), product, 4).shape == (0, 9, 2)  # nothing to hold on to
    assert not point_patches(np.zeros((0, 9, 2), np.float32), HEIGHT, WIDTH).any()


def test_patches_lie_around_the_points_in_latent_time() -> None:
    tracks = np.full((2, 5, 2), np.nan, np.float32)
    tracks[0, 0] = (20.0, 12.0)  # column 2, row 1 in the first latent frame
    tracks[1, 4] = (95.0, 63.0)  # the last cell in the second
    patches = point_patches(tracks, HEIGHT, WIDTH)
    assert patches.shape == (1, 2, 8, 12)
    assert patches[0, 0].nonzero().tolist() == [[row, column] for row in (0, 1, 2) for column in (1, 2, 3)]
    assert patches[0, 1].nonzero().tolist() == [[6, 10], [6, 11], [7, 10], [7, 11]]


@pytest.mark.parametrize(("frame", "latent_frame"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2)])
def test_four_frames_share_a_latent_frame(frame: int, latent_frame: int) -> None:
    tracks = np.full((1, 9, 2), np.nan, np.float32)
    tracks[0, frame] = (40.0, 40.0)
    assert point_patches(tracks, HEIGHT, WIDTH).amax((0, 2, 3)).nonzero().tolist() == [[latent_frame]]
