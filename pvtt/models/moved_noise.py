"""Starting noise that moves as a video does, so that what a model makes of it moves along.

As *Go-with-the-Flow* (arXiv:2501.08331) gives a model its motion: each frame's noise is the one before, carried along
the optical flow. Its models are trained on such noise; here a model may be given it without.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pvtt.media.flow import FlowFields, sample_along
from pvtt.models.vae import SPATIAL_FACTOR, TEMPORAL_FACTOR

KEPT = 0.5  # of a cell's noise that comes from the frame before, as a share of its variance


def moved_noise(noise: Tensor, flows: FlowFields, kept: float = KEPT) -> Tensor:
    """The same noise where nothing was before, and elsewhere in part the frame before's, moved.

    Args:
        noise: (C, F', h, w).
        flows: Of the video, from each frame but the first to the one before, (F-1, H, W, 2) in pixels.
        kept: As `KEPT`; 0 leaves the noise as it is.

    Returns:
        (C, F', h, w). A cell is a mixture of two independent ones whose variances add up to 1, so each is normal; what
        is no longer so is that all are independent.
    """
    moved = [noise[:, 0]]
    num_frames, height, width = noise.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    for frame in range(1, num_frames):
        step = _latent_step(flows, frame, (height, width))
        from_column, from_row = np.rint(columns + step[..., 0]), np.rint(rows + step[..., 1])
        inside = (from_column >= 0) & (from_column < width) & (from_row >= 0) & (from_row < height)
        place = np.where(inside, from_row * width + from_column, 0).astype(np.int64)
        before = moved[-1].flatten(1)[:, torch.from_numpy(place.ravel())].unflatten(1, (height, width))
        mixed = kept**0.5 * before + (1 - kept) ** 0.5 * noise[:, frame]
        moved.append(torch.where(torch.from_numpy(inside), mixed, noise[:, frame]))
    return torch.stack(moved, dim=1)


def _latent_step(flows: FlowFields, frame: int, size: tuple[int, int]) -> FlowFields:
    """From a latent frame to the one before, (h, w, 2) in cells."""
    import cv2

    last = TEMPORAL_FACTOR * frame  # the video's frame that a latent one ends with
    step = np.zeros_like(flows[0])
    for source in range(last, last - TEMPORAL_FACTOR, -1):
        step = step + sample_along(flows[source - 1], step, outside=None)
    cells = cv2.resize(step, size[::-1], interpolation=cv2.INTER_AREA) / SPATIAL_FACTOR
    return np.asarray(cells, np.float32)
