"""Motion smoothness and wrong cuts: whether frames follow one another as a film's do."""

from __future__ import annotations

import numpy as np

from pvtt.evaluation.arrays import check_same_shape
from pvtt.evaluation.metrics.metric import Metric
from pvtt.media.arrays import Region, Video
from pvtt.media.flow import flow_fields, sample_along

CUT = 27.0  # mean change of hue, saturation and brightness: PySceneDetect's threshold for a cut


def motion_smoothness(video: Video, region: Region) -> float | None:
    """How well each frame is foretold by its two neighbours, in [0, 1]; 1 for a steady motion.

    As VBench's *motion smoothness* (Huang et al. 2024, section 3.1): a frame is interpolated from its neighbours, and 1
    less the mean absolute difference, of 255, counts. They interpolate by a network, AMT; here both neighbours are
    moved half way along the optical flow between them.

    Args:
        video: (F, H, W, 3).
        region: Where to look, (F, H, W).

    Returns:
        None for fewer than three frames, or where the region is empty.
    """
    if len(video) < 3:
        return None
    onwards, back = flow_fields(video[:-2], video[2:]), flow_fields(video[2:], video[:-2])
    total, count = 0.0, 0
    for index, (there, here) in enumerate(zip(onwards, back, strict=True), start=1):
        before = sample_along(video[index - 1].astype(np.float32), -there / 2, outside=None)
        after = sample_along(video[index + 1].astype(np.float32), -here / 2, outside=None)
        inside = region[index]
        total += float(np.abs((before + after)[inside] / 2 - video[index][inside]).sum(dtype=np.float64))
        count += 3 * int(inside.sum())
    return 1 - total / count / 255 if count else None


def cuts(video: Video) -> list[int]:
    """The frames that a new shot begins at: those that differ from the one before by more than `CUT`.

    The measure is PySceneDetect's `ContentDetector`: the mean absolute change of hue, saturation and brightness.
    """
    import cv2

    hsv = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2HSV) for frame in video]).astype(np.int16)
    changes = np.abs(np.diff(hsv, axis=0)).mean(axis=(1, 2, 3))
    return [int(index) for index in np.flatnonzero(changes > CUT) + 1]


def cut_errors(video: Video, truth: Video) -> float:
    """How many frames a shot begins at in one and not in the other."""
    check_same_shape(video, truth)
    return float(len(set(cuts(video)) ^ set(cuts(truth))))


METRICS = (
    Metric(
        name="motion_smoothness",
        label="motion smoothness",
        says="frames foretold by their neighbours, in the product's region",
        group="Motion",
        better="↑",
        measure=lambda scene, video: motion_smoothness(video, scene.product),
        of_truth="what the real video has itself",
    ),
    Metric(
        name="cut_errors",
        label="wrong cuts",
        says="cuts that only the output or only the real video has, before compositing",
        group="Motion",
        unit="a clip",
        better="↓",
        measure=lambda scene, _: cut_errors(scene.raw, scene.truth),
    ),
)
