"""Motion: flicker, flow-warp error, and camera motion outside the mask. Lower is better for all.

Optical flow (`pvtt.media.flow`) is always estimated on the ground truth for the warp error, so that
output and ground truth are warped alike and their ratio compares like with like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pvtt.evaluation.arrays import check_same_shape
from pvtt.evaluation.metrics.metric import Metric, Scene, Values
from pvtt.media.arrays import Region, Video
from pvtt.media.flow import FlowFields, flow_fields, sample_along

WARP_ERROR_FLOOR = 0.5 / 255  # half a grey level; keeps the ratio finite on still clips


@dataclass(frozen=True)
class Motion:
    """The ground truth's flow between neighbouring frames, and where it can be trusted."""

    forward: FlowFields  # frame t → t+1
    valid: Region  # (F-1, H, W): visible in both frames


def optical_flow(video: Video) -> FlowFields:
    """Flow from each frame to the next, (F-1, H, W, 2)."""
    return flow_fields(video[:-1], video[1:])


def estimate_motion(truth: Video) -> Motion:
    """The ground truth's motion; valid where forward and backward flow agree (Sundaram et al. 2010, equation 5)."""
    forward, backward = flow_fields(truth[:-1], truth[1:]), flow_fields(truth[1:], truth[:-1])
    valid = np.zeros(forward.shape[:3], dtype=np.bool_)
    for index in range(len(forward)):
        returned = sample_along(backward[index], forward[index])
        with np.errstate(invalid="ignore"):
            gap = ((forward[index] + returned) ** 2).sum(-1)
            length = (forward[index] ** 2).sum(-1) + (returned**2).sum(-1)
            valid[index] = gap < 0.01 * length + 0.5  # NaN: left the frame, not valid
    return Motion(forward, valid)


def flow_warp_error(video: Video, motion: Motion, region: Region) -> float | None:
    """Mean absolute difference, in [0, 1], between each frame and the next one warped back along the true flow.

    As in Lai et al. 2018, *Learning Blind Video Temporal Consistency*, section 4.2, in the region and where the flow is
    valid.

    Args:
        video: The video to judge, (F, H, W, 3).
        motion: The ground truth's optical flow, and where it is valid.
        region: Where to look, (F, H, W).

    Returns:
        None where no pixel of the region has valid flow.
    """
    total, count = 0.0, 0
    for index, flow in enumerate(motion.forward):
        warped = sample_along(video[index + 1].astype(np.float32), flow)
        where = motion.valid[index] & region[index] & np.isfinite(warped).all(-1)
        total += float(np.abs(warped[where] - video[index][where]).sum(dtype=np.float64))
        count += 3 * int(where.sum())
    return total / count / 255 if count else None


def flicker(video: Video, truth: Video, region: Region) -> float | None:
    """Mean absolute difference between the video's and the ground truth's frame-to-frame changes, in grey levels.

    0 where the video changes over time exactly as the ground truth does. None where the region is empty.
    """
    check_same_shape(video, truth, region)
    changes = [np.diff(frames.astype(np.int16), axis=0) for frames in (video, truth)]
    where = region[:-1] & region[1:]
    return float(np.abs(changes[0][where] - changes[1][where]).mean()) if where.any() else None


def outside_motion_error(video: Video, motion: Motion, outside: Region) -> float | None:
    """Mean end-point error, in pixels a frame, of the video's flow against the ground truth's outside the mask.

    That is where only the camera moves. Judge the output before its outside is replaced by the template's pixels.

    Returns:
        None where nothing lies outside.
    """
    where = outside[:-1] & outside[1:] & motion.valid
    if not where.any():
        return None
    return float(np.linalg.norm(optical_flow(video)[where] - motion.forward[where], axis=-1).mean())


def true_motion(scene: Scene) -> Motion:
    """The ground truth's, for `Scene.once`."""
    return estimate_motion(scene.truth)


def _true_warp_error(scene: Scene) -> float | None:
    return flow_warp_error(scene.truth, scene.once(true_motion), scene.product)


def _warp_error(scene: Scene, video: Video) -> float | None:
    return flow_warp_error(video, scene.once(true_motion), scene.product)


def _relative_warp_error(scene: Scene, video: Video) -> float | None:
    own, warp = scene.once(_true_warp_error), _warp_error(scene, video)
    return None if warp is None or own is None else warp / max(own, WARP_ERROR_FLOOR)


def _true_warp_error_of(values: Values) -> float:
    return max(values["flow_warp_error_ground_truth"] or 0.0, WARP_ERROR_FLOOR)


METRICS = (
    Metric(
        name="relative_flow_warp_error",
        label="flow-warp error / ground truth's",
        says="1: as steady as the real video",
        group="Motion",
        unit="×",
        better="↓",
        measure=_relative_warp_error,
        weight=_true_warp_error_of,
        of_contenders=True,  # without ranking them: nothing is as steady as a hole of one colour
    ),
    Metric(
        name="flow_warp_error",
        label="flow-warp error",
        says="frame against the next, warped back along the motion",
        group="Motion",
        better="↓",
        measure=_warp_error,
        of_truth="what the real video has itself",
    ),
    Metric(
        name="flicker",
        label="flicker",
        says="difference of frame-to-frame changes",
        group="Motion",
        unit="grey levels",
        better="↓",
        measure=lambda scene, video: flicker(video, scene.truth, scene.product),
    ),
    Metric(
        name="outside_motion_error",
        label="camera error",
        says="motion outside the mask, before compositing",
        group="Motion",
        unit="px/frame",
        better="↓",
        measure=lambda scene, _: outside_motion_error(scene.raw, scene.once(true_motion), ~scene.hole),
    ),
)
