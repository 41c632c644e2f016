"""The camera's way: turning, shift and zoom from frame to frame, of a film against the true path.

Corners of the template's studio (Shi and Tomasi 1994), outside what may change, are followed in the film by pyramids of
Lucas and Kanade (Bouguet 2000), forwards and back. The true path says exactly where the same corners go. A similarity
is fitted to both, by least squares about the frame's middle, so that it is the film alone that can make them differ.
Where no path is known, the template's own corners stand for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.builtin.bench.camera import moved_points
from pvtt.media.arrays import Frame, FrameRegion, Region, Video
from pvtt.records.bench import CameraPath

Floats = npt.NDArray[np.float64]
MAX_CORNERS, QUALITY, MIN_DISTANCE = 120, 0.005, 4  # of `cv2.goodFeaturesToTrack`; the distance in pixels
RETURNED = 0.3  # pixels: a corner that is followed forwards and back must come home so near
AGREES = 1.5  # pixels from a common similarity: the ways of corners that lie further off are no camera's
MIN_CORNERS = 8  # with fewer, a step is not measured
CLEAR = 4  # pixels that corners stay away from what may change, and from the frame's border
WINDOW = (11, 11)


@dataclass(frozen=True)
class CameraError:
    """How far a shot's steps are from the true ones, on average; per frame.

    Attributes:
        rotation: Degrees about the line of sight.
        shift: Pixels, of the frame's middle.
        zoom: Percent.
        num_steps: That could be measured.
    """

    rotation: float
    shift: float
    zoom: float
    num_steps: int


def camera_error(film: Video, template: Video, region: Region, camera: CameraPath | None) -> CameraError | None:
    """Compare one shot.

    Args:
        film: To judge, (F, H, W, 3).
        template: (F, H, W, 3).
        region: What may change, (F, H, W).
        camera: The true path; None: it is not known.

    Returns:
        None where no step has enough corners.
    """
    size = film.shape[2], film.shape[1]
    found = []
    for index in range(len(film) - 1):
        corners = find_corners(template[index], region[index])
        if len(corners) < MIN_CORNERS:
            continue
        follow: Callable[[Floats], Floats] = partial(_follow, template[index], template[index + 1])
        if camera is not None:
            follow = partial(moved_points, camera, index, size=size)
        there, wanted = _follow(film[index], film[index + 1], corners), follow(corners)
        kept = np.isfinite(there).all(1) & np.isfinite(wanted).all(1) & _is_free(wanted, region[index + 1])
        if kept.sum() < MIN_CORNERS:
            continue
        # A corner of a smooth backdrop may be followed to another: it is no part of any one motion.
        _, agrees = cv2.estimateAffinePartial2D(
            corners[kept], there[kept], method=cv2.RANSAC, ransacReprojThreshold=AGREES
        )
        one_motion = np.flatnonzero(kept)[agrees[:, 0] > 0] if agrees is not None else np.zeros(0, np.intp)
        if len(one_motion) >= MIN_CORNERS:
            pair = [similarity(corners[one_motion], moved[one_motion], size) for moved in (there, wanted)]
            found.append(pair[0] - pair[1])
    if not found:
        return None
    errors = np.array(found)  # (steps, 4): degrees, percent, pixels across and down
    rotation, zoom = np.abs(errors[:, :2]).mean(axis=0)
    shift = np.linalg.norm(errors[:, 2:], axis=1).mean()
    return CameraError(float(rotation), float(shift), float(zoom), len(found))


def find_corners(frame: Frame, region: FrameRegion) -> Floats:
    """Corners of a frame, (H, W, 3), that lie clear of a region, (H, W): (N, 2) x and y."""
    free = ~_widened(region)
    free[:CLEAR], free[-CLEAR:], free[:, :CLEAR], free[:, -CLEAR:] = False, False, False, False
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(grey, MAX_CORNERS, QUALITY, MIN_DISTANCE, mask=free.astype(np.uint8))
    return np.zeros((0, 2)) if corners is None else corners.reshape(-1, 2).astype(np.float64)


def similarity(points: Floats, moved: Floats, size: tuple[int, int]) -> Floats:
    """The similarity that takes points, (N, 2), nearest to others: degrees of turning, percent of zoom, and the shift
    of the frame's middle across and down, (4,)."""
    middle = (np.array(size) - 1) / 2
    before, after = ((one - middle) @ np.array([1, 1j]) for one in (points, moved))
    off = before - before.mean()
    factor = (off.conj() @ (after - after.mean())) / max(float((abs(off) ** 2).sum()), 1e-9)
    shift = after.mean() - factor * before.mean()
    return np.array([np.degrees(np.angle(factor)), 100 * (abs(factor) - 1), shift.real, shift.imag])


def _follow(frame: Frame, after: Frame, corners: Floats) -> Floats:
    """Where corners are in the next frame, (N, 2); NaN where they are lost."""
    grey, later = (cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (frame, after))
    given = corners.astype(np.float32)[:, None]
    nowhere = np.empty_like(given)  # is not read: there is no guess
    there, found, _ = cv2.calcOpticalFlowPyrLK(grey, later, given, nowhere, winSize=WINDOW)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(later, grey, there, nowhere.copy(), winSize=WINDOW)
    home = np.linalg.norm(back - given, axis=-1)[:, 0] < RETURNED
    kept = (found[:, 0] > 0) & (returned[:, 0] > 0) & home
    return np.where(kept[:, None], there[:, 0].astype(np.float64), np.nan)


def _is_free(points: Floats, region: FrameRegion) -> npt.NDArray[np.bool_]:
    """Which points, (N, 2), lie inside the frame and clear of the region."""
    height, width = region.shape
    columns, rows = np.nan_to_num(points, nan=-1.0).round().astype(int).T
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    free = ~_widened(region)
    return np.asarray(inside & free[rows.clip(0, height - 1), columns.clip(0, width - 1)])


def _widened(region: FrameRegion) -> FrameRegion:
    kernel = np.ones((2 * CLEAR + 1, 2 * CLEAR + 1), np.uint8)
    return np.asarray(cv2.dilate(region.astype(np.uint8), kernel) > 0)
