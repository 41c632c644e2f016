"""Camera motion without training: MotionBooth's latent shift (arXiv:2406.17758).

In some of the early steps each frame's latents are moved against the camera, the later the frame the farther, until
the last one has moved as far as was asked for. What comes in at an edge is filled with latents drawn from the same row
or column, which keeps their distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pvtt.models.vae import SPATIAL_FACTOR


@dataclass(frozen=True)
class CameraShift:
    """How the camera moves over a video.

    It says what becomes of what is generated; where a template is kept, that has the camera of the template. So it is
    for videos that are all hole, or nearly.

    Args:
        right: Pixels to the right from the first frame to the last; negative to the left.
        down: The same downwards.
        start: Share of the sampling steps that are through before it begins; MotionBooth: 5 of 50.
        end: Share after which it is done; MotionBooth: 15 of 50. Later shifts leave visible edges.
        seed: Of what comes in at the edges.
    """

    right: float = 0.0
    down: float = 0.0
    start: float = 0.1
    end: float = 0.3
    seed: int = 0

    def sources(self, step: int, num_steps: int, shape: tuple[int, int, int]) -> Tensor | None:
        """Where each latent of the step comes from; None where nothing moves.

        Args:
            step: The step that is about to be taken, from 0 on.
            num_steps: Steps of the sampling run.
            shape: (F', h, w).

        Returns:
            Places in the frame's h·w latents, row by row, (F', h·w) integers.
        """
        before, after = (self._offsets(place, num_steps, shape[0]) for place in (step, step + 1))
        moves = after - before
        if not moves.any():
            return None
        generator = torch.Generator().manual_seed(self.seed * 100_003 + step)
        return torch.stack([_sources(int(x), int(y), shape[1], shape[2], generator) for x, y in moves.tolist()])

    def _offsets(self, step: int, num_steps: int, num_frames: int) -> Tensor:
        """How far each frame has moved before a step, in whole latents, (F', 2)."""
        first, last = round(self.start * num_steps), max(round(self.end * num_steps), round(self.start * num_steps) + 1)
        done = min(max((step - first) / (last - first), 0.0), 1.0)
        frames = torch.arange(num_frames) / max(num_frames - 1, 1)
        speed = torch.tensor([self.right, self.down]) / SPATIAL_FACTOR
        return (done * frames[:, None] * speed).round().long()


def _sources(right: int, down: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Where each latent of one frame comes from when the camera moves by whole latents, (h·w,)."""
    rows, columns = torch.arange(height)[:, None] + down, torch.arange(width)[None] + right
    rows, columns = rows.expand(height, width).clone(), columns.expand(height, width).clone()
    drawn_row, drawn_column = (torch.randint(size, (height, width), generator=generator) for size in (height, width))
    rows = torch.where((rows < 0) | (rows >= height), drawn_row, rows)
    columns = torch.where((columns < 0) | (columns >= width), drawn_column, columns)
    return (rows * width + columns).flatten()


def shift(latents: Tensor, sources: Tensor) -> Tensor:
    """Latents (B, C, F', h, w) with each frame's taken from `sources`, (F', h·w)."""
    index = sources.to(latents.device).expand(*latents.shape[:2], -1, -1)
    return latents.flatten(3).gather(3, index).view_as(latents)


def shift_history(scheduler: Any, sources: Tensor) -> None:
    """Move what a multistep scheduler remembers of earlier steps too, so that it belongs to the moved latents."""
    outputs = getattr(scheduler, "model_outputs", None)
    if outputs is not None:
        scheduler.model_outputs = [None if output is None else shift(output, sources) for output in outputs]
    if getattr(scheduler, "last_sample", None) is not None:
        scheduler.last_sample = shift(scheduler.last_sample, sources)
