"""The sequence in which training draws encoded samples, and the batches that come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pvtt.encoding.store import EncodedDataset
from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.flow_matching import quantile_at
from pvtt.records.dataset import EncodedSample

# The first word of each seed sequence: independent streams of the one seed.
_ORDER, _DRAW, _OFFSET, _FIXED_NOISE = range(4)


@dataclass(frozen=True)
class Draw:
    """What one position of the training sequence gets; `noise_seed` is that of its noise."""

    index: int  # of the sample
    variant: int
    views: tuple[int, ...]  # which photos, in the order given to the model; empty: the product is dropped
    keep_text: bool
    quantile: float  # of the noise level, in (0, 1)
    noise_seed: tuple[int, ...]


class SampleSequence:
    """The endless sequence of training samples: every epoch a new order, each position with its own random draws.

    A position's draws depend on the seed and the position alone.

    Args:
        samples: The samples of the training split.
        seed: Seed of all random draws.
        product_dropout: Probability that a sample comes without its product (classifier-free guidance).
        text_dropout: Probability that it comes with the empty text.
    """

    def __init__(
        self, samples: Sequence[EncodedSample], seed: int, product_dropout: float = 0.0, text_dropout: float = 0.0
    ) -> None:
        if not samples:
            raise PvttError("the training split is empty", "add products, or lower what `validate` asks for")
        self._samples = samples
        self._seed = seed
        self._product_dropout = product_dropout
        self._text_dropout = text_dropout
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
        views = tuple(int(view) for view in random.permutation(sample.num_views)[:num_views])
        product_chance, text_chance = random.random(2)
        return Draw(
            index=index,
            variant=variant,
            views=views if product_chance >= self._product_dropout else (),
            keep_text=bool(text_chance >= self._text_dropout),
            quantile=quantile_at(position, self._offset),
            noise_seed=(_DRAW, self._seed, position, 1),
        )


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
class Batch:
    """B samples on one device, float32."""

    keys: tuple[str, ...]
    latents: Tensor  # x0, (B, C, F', h, w)
    region: Tensor  # the product's coverage, (B, 1, F', h, w)
    conditions: Conditions
    noise: Tensor  # (B, C, F', h, w)
    quantiles: Tensor  # of the noise level, (B,)


def collate(
    dataset: EncodedDataset, draws: Sequence[Draw], empty_text: Tensor, num_views: int, device: torch.device
) -> Batch:
    """Read and assemble a batch.

    Args:
        dataset: The encoded samples that are read.
        draws: Which sample, variant, views and noise each row of the batch gets.
        empty_text: Embedding of the empty text, (T, Dt), for the draws without text.
        num_views: N to which views are padded.
        device: The device that the batch is moved to.
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
        latents=torch.cat([row.latents for row in rows]).to(device, torch.float32),
        region=torch.cat([row.region for row in rows]).to(device, torch.float32),
        conditions=Conditions.concatenate(conditions, num_views).to(device),
        noise=torch.from_numpy(np.concatenate(noise)).to(device),
        quantiles=torch.tensor([draw.quantile for draw in draws], dtype=torch.float64, device=device),
    )
