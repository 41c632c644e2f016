"""What a training looks at besides its loss: the loss of held-out samples, and pictures of what the model makes now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pvtt.encoding.store import EncodedDataset
from pvtt.files.atomic import atomic_path
from pvtt.media.images import write_png
from pvtt.models.flow_matching import sigmas_at
from pvtt.models.sampling import SamplingSettings, sample
from pvtt.models.vae import decode_latents, to_pixels
from pvtt.params.train import LossParams, TrainParams
from pvtt.training.dataset import Batch, Draw, collate, held_out_draw
from pvtt.training.model import Constants
from pvtt.training.objective import evaluate_loss
from pvtt.training.processes import Processes
from pvtt.training.terms import Model

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the training distribution of noise levels
MAX_SAMPLES = 32
PICTURE_STEPS = 8


class HeldOut:
    """The loss of held-out samples at fixed quantiles of the noise level with fixed noise: comparable from step to
    step, between stages, and between trainings that share the noise distribution.

    Args:
        dataset: The validation split; its first `MAX_SAMPLES` samples are used.
        params: The distribution of noise levels, and the loss.
        constants: Encodings that all batches share.
        batch_size: Samples evaluated at once.
        seed: Seed of the noise.
        device: The device that the model is on.
        processes: Those among which the samples are spread.
    """

    def __init__(
        self,
        dataset: EncodedDataset,
        params: TrainParams,
        constants: Constants,
        batch_size: int,
        seed: int,
        device: torch.device,
        processes: Processes,
    ) -> None:
        self._dataset = dataset
        self._params = params.model_copy(update={"loss": LossParams(region=0, hole=0)})  # the plain velocity error
        self._constants = constants
        self._batch_size = batch_size
        self._seed = seed
        self._device = device
        self._processes = processes

    @property
    def num_samples(self) -> int:
        return min(MAX_SAMPLES, len(self._dataset))

    def _collate(self, draws: Sequence[Draw]) -> Batch:
        return collate(self._dataset, draws, self._constants.empty_text, self._dataset.max_views, self._device)

    @torch.no_grad()
    def measure(self, model: Model) -> list[dict[str, float]]:
        """A row a noise level: `sigma`, `loss`, and `loss_region`, that inside the product. None without samples."""
        samples = self._dataset.samples
        rows = []
        for quantile in QUANTILES if samples else ():
            draws = [held_out_draw(samples, index, quantile, self._seed) for index in range(self.num_samples)]
            losses = torch.zeros(2, len(draws), device=self._device)
            for places in self._shares(len(draws)):
                with self._processes.together():
                    # One without a sample passes the model too: sharded, all must pass it equally often.
                    batch = self._collate([draws[place] for place in places] or draws[:1])
                loss = evaluate_loss(model, batch, self._params)
                losses[:, places] = torch.stack([loss.total, loss.parts["region"]])[:, : len(places)]
            losses = self._processes.sum(losses)
            sigma = sigmas_at(torch.tensor(quantile), self._params.sigma_sampling, self._params.sigma_shift)
            rows.append(
                {
                    "sigma": float(sigma),
                    "loss": float(losses[0].mean()),
                    "loss_region": float(losses[1].mean()),
                }
            )
        return rows

    def _shares(self, num_samples: int) -> Iterator[list[int]]:
        """This process's places of each batch; of all processes together each place once."""
        share = self._batch_size // self._processes.count
        for start in range(0, num_samples, self._batch_size):
            first = start + self._processes.rank * share
            yield list(range(first, min(first + share, num_samples)))

    @torch.no_grad()
    def draw_picture(self, path: Path, transformer: Any, vae: Any, scheduler: Any, num_samples: int) -> None:
        """Draw a PNG, a row a sample: the masked template, what the model makes of it, and the truth; middle frames.

        Without guidance, and decoded without compositing, so that what the model does outside the mask is seen too.
        """
        draws = [
            held_out_draw(self._dataset.samples, index, 0.5, self._seed)
            for index in range(min(num_samples, len(self._dataset)))
        ]
        if not draws:
            return
        batch = self._collate(draws)
        generated = sample(
            transformer,
            scheduler,
            batch.noise,
            batch.conditions,
            self._constants.empty_text,
            SamplingSettings(PICTURE_STEPS),
        )
        columns = (batch.conditions.masked_latents, generated, batch.latents)
        write_grid(path, [decode_latents(vae, latents) for latents in columns])


def write_grid(path: Path, columns: Sequence[Tensor]) -> None:
    """Write the middle frames of columns of videos (B, 3, F, H, W) in [-1, 1] as one PNG."""
    middles = [to_pixels(video)[:, video.shape[2] // 2].cpu().numpy() for video in columns]  # (B, H, W, 3)
    rows = np.concatenate(middles, axis=2)
    with atomic_path(path) as temporary:
        write_png(temporary, np.concatenate(list(rows), axis=0))
