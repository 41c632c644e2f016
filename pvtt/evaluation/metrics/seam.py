"""The seam: how far what was generated is set off from what is around it. Lower is better, 1 cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.metrics.metric import Metric, Scene, Values
from pvtt.media.arrays import Region, Video

FLOOR = 0.5  # grey levels; keeps the ratio finite on a backdrop without grain


def border_gradient(video: Video, hole: Region) -> float | None:
    """Mean absolute difference, in grey levels, between neighbouring pixels on the two sides of the hole's border.

    Args:
        video: (F, H, W, 3).
        hole: (F, H, W).

    Returns:
        None where the hole has no border inside the frame.
    """
    total, count = 0.0, 0
    for one, other, crosses in _neighbours(video, hole):
        total += float(np.abs(one[crosses].astype(np.int16) - other[crosses]).sum(dtype=np.float64))
        count += 3 * int(crosses.sum())
    return total / count if count else None


def _neighbours(video: Video, hole: Region) -> Iterator[tuple[Video, Video, npt.NDArray[np.bool_]]]:
    """Pixels and their right, then their lower neighbours, and which of the pairs the border parts."""
    yield video[:, :, :-1], video[:, :, 1:], hole[:, :, :-1] ^ hole[:, :, 1:]
    yield video[:, :-1], video[:, 1:], hole[:, :-1] ^ hole[:, 1:]


def _true_gradient(scene: Scene) -> float | None:
    return border_gradient(scene.truth, scene.hole)


def _seam(scene: Scene, video: Video) -> float | None:
    own, gradient = scene.once(_true_gradient), border_gradient(video, scene.hole)
    return None if gradient is None or own is None else gradient / max(own, FLOOR)


def _true_gradient_of(values: Values) -> float:
    return max(values["border_gradient_ground_truth"] or 0.0, FLOOR)


METRICS = (
    Metric(
        name="seam",
        label="seam",
        says="gradient across the hole's border over the real video's own; 1: none",
        group="The product's region",
        unit="×",
        better="↓",
        measure=_seam,
        weight=_true_gradient_of,
        of_contenders=True,
    ),
    Metric(
        name="border_gradient",
        label="gradient across the border",
        says="between neighbouring pixels on the two sides of the hole's border",
        group="The product's region",
        unit="grey levels",
        measure=lambda scene, video: border_gradient(video, scene.hole),
        of_truth="what the real video has itself",
    ),
)
