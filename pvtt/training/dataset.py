"""The sequence in which training draws encoded samples, and the batches that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from torch import Tensor

from pvtt.encoding.foreign_dataset import ForeignDataset
from pvtt.encoding.store import EncodedDataset
from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.flow_matching import quantile_at, quantile_of
from pvtt.params.train import TrainParams
from pvtt.records.dataset import EncodedSample, ForeignSample

# The first word of each seed sequence: independent streams of the one seed.
_ORDER, _DRAW, _OFFSET, _FIXED_NOISE, _FOREIGN = range(5)
SEMANTIC_SIGMA = 0.5  # T_min / T


@dataclass(frozen=True)
class Draw:
    """What one position of the training sequence gets; `noise_seed` is that of its noise."""

    index: int  # of the sample
    variant: int
    views: tuple[int, ...]  # which photos, in the order given to the model; empty: the product is dropped
    keep_text: bool
    quantile: float  # of the noise level, in (0, 1)
    noise_seed: tuple[int, ...]
    foreign: tuple[int, int] | None = None  # a foreign clip and its window


@dataclass(frozen=True)
class HighNoise:
    """VideoSwap's semantic-enhanced schedule (arXiv:2312.02087): timesteps from T_min = T/2 on, where a video's
    semantics are decided, instead of from 0.

    Here it is for a share of the samples that have a product: which product it is is learned at high noise, detail at
    all levels by the other samples.

    Args:
        share: Of the samples with a product.
        from_quantile: The quantile of T_min in the distribution of noise levels.
    """

    share: float
    from_quantile: float

    @classmethod
    def from_params(cls, params: TrainParams) -> Self | None:
        """None where it is off."""
        if params.semantic_schedule == 0:
            return None
        return cls(params.semantic_schedule, quantile_of(SEMANTIC_SIGMA, params.sigma_sampling, params.sigma_shift))

    def raised(self, quantile: float) -> float:
        """The same place of the distribution's upper part."""
        return self.from_quantile + (1 - self.from_quantile) * quantile


class SampleSequence:
    """The endless sequence of training samples: every epoch a new order, each position with its own random draws.

    A position's draws depend on the seed and the position alone.

    Args:
        samples: The samples of the training split.
        seed: Seed of all random draws.
        product_dropout: Probability that a sample comes without its product (classifier-free guidance).
        text_dropout: Probability that it comes with the empty text.
        view_dropout: Probability that it comes with some of its photos only.
        high_noise: Semantic-enhanced schedule: how often, and from which quantile of the noise level on.
        foreign: Foreign clips, of which each position gets a window.
    """

    def __init__(
        self,
        samples: Sequence[EncodedSample],
        seed: int,
        product_dropout: float = 0.0,
        text_dropout: float = 0.0,
        view_dropout: float = 1.0,
        high_noise: HighNoise | None = None,
        foreign: Sequence[ForeignSample] = (),
    ) -> None:
        if not samples:
            raise PvttError("the training split is empty", "add products, or lower what `validate` asks for")
        self._samples = samples
        self._seed = seed
        self._product_dropout = product_dropout
        self._text_dropout = text_dropout
        self._view_dropout = view_dropout
        self._high_noise = high_noise
        self._foreign = foreign
        self._offset = float(np.random.default_rng([_OFFSET, seed]).random())
        self._order = lru_cache(maxsize=2)(self._shuffle)  # neighbouring epochs may share a batch

    def _shuffle(self, epoch: int) -> list[int]:
        return np.random.default_rng([_ORDER, self._seed, epoch]).permutation(len(self._samples)).tolist()

    def __getitem__(self, position: int) -> Draw:
        epoch, place = divmod(position, len(self._samples))
        index = self._order(epoch)[place]
        sample = self._samples[index]
        random = np.random.default_rng([_DRAW, self._seed, position])
        variant = int(random.integers(sample.num_variants))
        num_views = int(random.integers(sample.num_views)) + 1
        order = random.permutation(sample.num_views)
        product_chance, text_chance = random.random(2)
        if self._view_dropout < 1 and random.random() >= self._view_dropout:
            num_views = sample.num_views
        views = tuple(int(view) for view in order[:num_views]) if product_chance >= self._product_dropout else ()
        quantile = quantile_at(position, self._offset)
        if self._high_noise is not None and views and random.random() < self._high_noise.share:
            quantile = self._high_noise.raised(quantile)
        return Draw(
            index=index,
            variant=variant,
            views=views,
            keep_text=bool(text_chance >= self._text_dropout),
            quantile=quantile,
            noise_seed=(_DRAW, self._seed, position, 1),
            foreign=self._foreign_window(position) if self._foreign else None,
        )

    def _foreign_window(self, position: int) -> tuple[int, int]:
        random = np.random.default_rng([_FOREIGN, self._seed, position])
        index = int(random.integers(len(self._foreign)))
        return index, int(random.integers(self._foreign[index].num_variants))


def held_out_draw(samples: Sequence[EncodedSample], index: int, quantile: float, seed: int) -> Draw:
    """A sample as its held-out loss is measured: unaltered, whole, at a fixed noise level and with fixed noise.

    It has all its photos and its text. The noise depends on the sample's name, so that more samples leave the others'
    losses as they were.
    """
    sample = samples[index]
    name = int.from_bytes(sample.key.encode())
    views = tuple(range(sample.num_views))
    return Draw(index, 0, views, True, quantile, (_FIXED_NOISE, seed, name, round(quantile * 1e6)))


@dataclass(frozen=True)
class ForeignBatch:
    """Windows of foreign clips, one a sample of the batch, float32: x0, (B, C, F', h, w), and texts, (B, T, Dt)."""

    latents: Tensor
    text: Tensor

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return replace(self, latents=self.latents.to(device), text=self.text.to(device))


@dataclass(frozen=True)
class Batch:
    """B samples on one device, float32."""

    keys: tuple[str, ...]
    product_ids: tuple[str, ...]
    latents: Tensor  # x0, (B, C, F', h, w)
    region: Tensor  # the product's coverage, (B, 1, F', h, w)
    conditions: Conditions
    noise: Tensor  # (B, C, F', h, w)
    quantiles: Tensor  # of the noise level, (B,)
    point_patches: Tensor | None = None  # 1 around the product's tracked points, (B, 1, F', h, w)
    foreign: ForeignBatch | None = None

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return replace(
            self,
            latents=self.latents.to(device),
            region=self.region.to(device),
            conditions=self.conditions.to(device),
            noise=self.noise.to(device),
            quantiles=self.quantiles.to(device),
            point_patches=None if self.point_patches is None else self.point_patches.to(device),
            foreign=None if self.foreign is None else self.foreign.to(device),
        )


def collate(
    dataset: EncodedDataset,
    draws: Sequence[Draw],
    empty_text: Tensor,
    num_views: int,
    device: torch.device,
    foreign: ForeignDataset | None = None,
) -> Batch:
    """Read and assemble a batch.

    Args:
        dataset: The encoded samples that are read.
        draws: Which sample, variant, views and noise each row of the batch gets.
        empty_text: Embedding of the empty text, (T, Dt), for the draws without text.
        num_views: N to which views are padded.
        device: The device that the batch is moved to.
        foreign: The foreign clips that draws name.
    """
    rows = [dataset.read(draw.index, draw.variant) for draw in draws]
    conditions = []
    for draw, row in zip(draws, rows, strict=True):
        drawn = row.conditions.to(dtype=torch.float32).with_views(draw.views)
        conditions.append(drawn if draw.keep_text else drawn.with_text(empty_text))
    noise = [
        np.random.default_rng(draw.noise_seed).standard_normal(row.latents.shape, dtype=np.float32)
        for draw, row in zip(draws, rows, strict=True)
    ]
    return Batch(
        keys=tuple(dataset.samples[draw.index].key for draw in draws),
        product_ids=tuple(dataset.samples[draw.index].product_id for draw in draws),
        latents=torch.cat([row.latents for row in rows]).to(device, torch.float32),
        region=torch.cat([row.region for row in rows]).to(device, torch.float32),
        conditions=Conditions.concatenate(conditions, num_views).to(device),
        noise=torch.from_numpy(np.concatenate(noise)).to(device),
        point_patches=_join([row.point_patches for row in rows], device),
        foreign=None if foreign is None else _windows(foreign, draws).to(device),
        quantiles=torch.tensor([draw.quantile for draw in draws], dtype=torch.float64, device=device),
    )


def _windows(dataset: ForeignDataset, draws: Sequence[Draw]) -> ForeignBatch:
    windows = [dataset.read(*draw.foreign) for draw in draws if draw.foreign is not None]
    latents, texts = zip(*windows, strict=True)
    return ForeignBatch(torch.cat(latents), torch.cat(texts))


def _join(parts: Sequence[Tensor | None], device: torch.device) -> Tensor | None:
    """One batch of what all samples have; None where one lacks it."""
    there = [part for part in parts if part is not None]
    return torch.cat(there).to(device, torch.float32) if len(there) == len(parts) else None
