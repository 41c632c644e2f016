"""Drawn clips with a known answer."""

from __future__ import annotations

import numpy as np

from pvtt.media.arrays import Region, Video


def moving_box(
    colours: tuple[tuple[int, int, int], tuple[int, int, int]] = ((210, 40, 30), (240, 220, 60)), num_frames: int = 5
) -> tuple[Video, Region]:
    """A striped box that moves two pixels a frame over a textured ground, and where it is."""
    height, width = 64, 96
    ground = np.linspace(40, 200, width)[None, :] + 20 * np.sin(np.arange(height) / 3)[:, None]
    video = np.zeros((num_frames, height, width, 3), np.uint8)
    region = np.zeros((num_frames, height, width), np.bool_)
    stripes = (np.arange(36) // 6) % 2
    for index in range(num_frames):
        video[index] = ground[..., None].clip(0, 255)
        left = 24 + 2 * index
        region[index, 16:48, left : left + 36] = True
        video[index, 16:48, left : left + 36] = np.where(stripes[None, :, None], *colours)
    return video, region


def noisy(video: Video, level: float, seed: int = 0) -> Video:
    """With Gaussian noise of `level` grey levels."""
    noise = np.random.default_rng(seed).normal(size=video.shape)
    result: Video = np.clip(np.rint(video + level * noise), 0, 255).astype(np.uint8)
    return result
