"""Videos for the report and for raters: small ones enlarged, H.264 that every browser plays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Region, Video
from pvtt.media.video import write_video

MIN_HEIGHT = 288  # pixels; smaller videos are enlarged by a whole factor
CRF = 20


def enlarge(video: Video, smooth: bool = True) -> Video:
    """Enlarge by the least whole factor that reaches `MIN_HEIGHT`; `smooth` by Lanczos, else by repeated pixels."""
    import cv2

    factor = max(1, math.ceil(MIN_HEIGHT / video.shape[1]))
    if factor == 1:
        return video
    interpolation = cv2.INTER_LANCZOS4 if smooth else cv2.INTER_NEAREST
    size = (video.shape[2] * factor, video.shape[1] * factor)
    return np.stack([np.asarray(cv2.resize(frame, size, interpolation=interpolation), np.uint8) for frame in video])


def mask_video(hole: Region) -> Video:
    """White where the model generates."""
    grey: npt.NDArray[np.uint8] = np.where(hole, 255, 0).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def masked_video(truth: Video, hole: Region, fill: float) -> Video:
    """The ground truth with the hole at `fill`, in [-1, 1], as the model sees it."""
    level = np.uint8(np.clip(round((fill + 1) * 127.5), 0, 255))
    filled: Video = np.where(hole[..., None], level, truth)
    return filled


def write_videos(folder: Path, videos: Mapping[str, Video], fps: float) -> None:
    """Write `<name>.mp4` for each; the video called `mask` keeps hard edges."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, video in videos.items():
        write_video(folder / f"{name}.mp4", enlarge(video, smooth=name != "mask"), fps, crf=CRF)
