"""What another contender changes in the model's output: a model that ignores its photos makes the same video again."""

from __future__ import annotations

import numpy as np

from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.media.arrays import Region, Video


def mean_change(video: Video, other: Video, region: Region) -> float | None:
    """Mean absolute difference in the region, in grey levels; None where it is empty."""
    if not region.any():
        return None
    return float(np.abs(video[region].astype(np.int16) - other[region].astype(np.int16)).mean())


def _of_output(scene: Scene, video: Video) -> float | None:
    return mean_change(video, scene.output, scene.product)


METRICS = (
    Metric(
        name="leak_change",
        label="change when swapped",
        says="in the product's region, at the same noise",
        group="Does it use the photos?",
        unit="grey levels",
        better="↑",
        subject="swapped",
        measure=_of_output,
    ),
    Metric(
        name="blank_change",
        label="change when blanked",
        says="in the product's region, at the same noise",
        group="Does it use the photos?",
        unit="grey levels",
        better="↑",
        subject="blank",
        measure=_of_output,
    ),
)
