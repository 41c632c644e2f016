"""Points of the product tracked through a sample, for the point-patch loss.

VideoSwap (arXiv:2312.02087) learns a subject's motion from a few points on it, and takes the loss in small patches
around these, so that the outline does not leak. A person sets its points and CoTracker follows them; here corners (Shi
and Tomasi) are followed by OpenCV's pyramidal Lucas-Kanade flow.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pvtt.media.arrays import Region, Video
from pvtt.models.vae import SPATIAL_FACTOR, TEMPORAL_FACTOR, latent_frames

Points = npt.NDArray[np.float32]  # (P, 2): right and down in pixels
Tracks = npt.NDArray[np.float32]  # (P, F, 2): right and down in pixels; not a number from where the point is lost

QUALITY = 0.02  # of a corner, as a share of the best one's
MIN_DISTANCE = 4.0  # pixels between two points at the start
MAX_RETURN_ERROR = 1.0  # pixels that a point may miss its start by when it is tracked back
PATCH_RADIUS = 1  # latent cells around a point's own: patches of 3×3


def track_points(pixels: Video, product: Region, num_points: int) -> Tracks:
    """Follow the product's most distinct points from the first frame that shows it.

    A point is lost, for good, where tracking it back does not return to it, and where it leaves the product.

    Args:
        pixels: (F, H, W, 3) uint8 RGB.
        product: Where the product is, (F, H, W).
        num_points: Points at most; fewer where it has fewer corners.
    """
    shown = np.flatnonzero(product.any(axis=(1, 2)))
    if len(shown) == 0:
        return np.full((0, len(pixels), 2), np.nan, np.float32)
    start = int(shown[0])
    greys = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in pixels[start:]]
    corners = corners_of(greys[0], product[start], num_points)
    tracks = np.full((len(corners), len(pixels), 2), np.nan, np.float32)
    tracks[:, start] = corners
    for place, (before, after) in enumerate(pairwise(greys), start + 1):
        alive = np.flatnonzero(~np.isnan(tracks[:, place - 1, 0]))
        if len(alive) == 0:
            break
        moved, returned = follow(before, after, tracks[alive, place - 1])
        held = returned & _inside(moved, product[place])
        tracks[alive[held], place] = moved[held]
    return tracks


def corners_of(grey: npt.NDArray[np.uint8], product: npt.NDArray[np.bool_], num_points: int) -> Points:
    """The most distinct points of a product in a picture, (P, 2); fewer than asked for where it has fewer corners."""
    corners = cv2.goodFeaturesToTrack(grey, num_points, QUALITY, MIN_DISTANCE, mask=product.astype(np.uint8))
    return np.zeros((0, 2), np.float32) if corners is None else np.asarray(corners[:, 0], np.float32)


def follow(
    before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8], points: Points
) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Follow points from one grey picture, (H, W), to another.

    Returns:
        Where they have got to, (P, 2), and which of them lead back to where they were, (P,).
    """
    shaped = points[:, None]
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, shaped, None)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None)  # type: ignore[call-overload]
    returned = np.linalg.norm((back - shaped)[:, 0], axis=1) <= MAX_RETURN_ERROR
    return moved[:, 0], (found[:, 0] > 0) & (found_back[:, 0] > 0) & returned


def _inside(points: npt.NDArray[np.float32], product: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    columns, rows = points.round().astype(int).T
    height, width = product.shape
    in_frame = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return in_frame & product[rows.clip(0, height - 1), columns.clip(0, width - 1)]


def point_patches(tracks: Tracks, height: int, width: int) -> Tensor:
    """The latent cells around the points, 1 in each point's patch and 0 elsewhere: (1, F', h, w), float32.

    Args:
        tracks: As `track_points` returns them.
        height: Of a frame, in pixels.
        width: The same.
    """
    num_frames = tracks.shape[1]
    patches = torch.zeros(1, latent_frames(num_frames), height // SPATIAL_FACTOR, width // SPATIAL_FACTOR)
    for frame in range(num_frames):
        latent_frame = (frame + TEMPORAL_FACTOR - 1) // TEMPORAL_FACTOR  # the first one holds frame 0 alone
        for right, down in tracks[:, frame]:
            if not np.isnan(right):
                row, column = int(down) // SPATIAL_FACTOR, int(right) // SPATIAL_FACTOR
                rows = slice(max(0, row - PATCH_RADIUS), row + PATCH_RADIUS + 1)
                patches[0, latent_frame, rows, max(0, column - PATCH_RADIUS) : column + PATCH_RADIUS + 1] = 1
    return patches
