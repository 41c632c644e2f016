"""What is checked and converted of the videos that an evaluation compares."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Region, Video

Floats: TypeAlias = npt.NDArray[np.floating[Any]]


def to_uint8(video: Floats) -> Video:
    """From [-1, 1] (clipped) to 0–255, rounded."""
    scaled: Video = np.clip(np.rint((video + 1) * 127.5), 0, 255).astype(np.uint8)
    return scaled


def check_same_shape(video: Video, truth: Video, region: Region | None = None) -> None:
    """Raises `ValueError` with both shapes where they differ."""
    if video.shape != truth.shape:
        raise ValueError(f"the video is {video.shape}, the ground truth {truth.shape}")
    if region is not None and region.shape != truth.shape[:3]:
        raise ValueError(f"the region is {region.shape}, the ground truth {truth.shape}")
