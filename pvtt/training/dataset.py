"""Encoded samples on disk, and the sequence in which training draws them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.files.workspace import require_output
from pvtt.models.flow import quantile_at
from pvtt.records.base import read_jsonl
from pvtt.records.dataset import EncodedSample, Split

HOLD_UP_TO_BYTES = 2 << 30  # splits up to this size are held in memory
PER_VARIANT = ("latents", "masked_latents", "mask", "region", "product_tokens")

# The first word of each seed sequence: independent streams of the one seed.
_ORDER, _DRAW, _OFFSET, _FIXED_NOISE = range(4)


class EncodedDataset:
    """The encoded samples of one split.

    Files are memory-mapped and only the variant that is asked for is read; a split that is small enough is held in
    memory instead.

    Args:
        folder: The encode stage's output directory.
        split: Which samples.
        hold_up_to: Hold the split in memory if its files have at most this many bytes.

    Raises:
        MissingInputError: There is no `samples.jsonl`.
        PvttError: Samples differ in shape.
    """

    def __init__(self, folder: Path, split: Split, hold_up_to: int = HOLD_UP_TO_BYTES) -> None:
        index = require_output(folder / "samples.jsonl", "encode")
        self.folder = folder
        self.split = split
        self.samples = [sample for sample in read_jsonl(index, EncodedSample) if sample.split == split]
        for sample in self.samples:
            if sample.latent_shape != self.samples[0].latent_shape:
                raise PvttError(
                    f"{index}: {sample.key} has latents {sample.latent_shape}, {self.samples[0].key} "
                    f"{self.samples[0].latent_shape}: samples of different shapes cannot share a batch",
                    "encode all of them with the same params: `dvc repro --force encode`",
                )
        self._held: dict[int, dict[str, Tensor]] = {}
        with self._reading(folder):
            if sum((folder / sample.path).stat().st_size for sample in self.samples) <= hold_up_to:
                self._held = {index: self._load(index) for index in range(len(self.samples))}

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def max_views(self) -> int:
        """The most photos that any product has."""
        return max((sample.num_views for sample in self.samples), default=0)

    def read(self, index: int, variant: int) -> dict[str, Tensor]:
        """One variant of a sample: the tensors of `PER_VARIANT` without their first dimension, and `text`, as stored.

        Raises:
            PvttError: The file is missing, damaged, or lacks a tensor.
        """
        if index in self._held:
            held = self._held[index]
            return {"text": held["text"], **{name: held[name][variant] for name in PER_VARIANT}}
        from safetensors import safe_open

        path = self.folder / self.samples[index].path
        with self._reading(path), safe_open(path, framework="pt") as file:
            tensors = {name: file.get_slice(name)[variant] for name in PER_VARIANT}
            return {"text": file.get_tensor("text"), **tensors}

    def _load(self, index: int) -> dict[str, Tensor]:
        from safetensors.torch import load_file

        path = self.folder / self.samples[index].path
        with self._reading(path):
            tensors = load_file(path)
            return {name: tensors[name] for name in ("text", *PER_VARIANT)}

    @staticmethod
    @contextmanager
    def _reading(path: Path) -> Iterator[None]:
        from safetensors import SafetensorError

        try:
            yield
        except (OSError, SafetensorError, KeyError) as error:
            raise PvttError(
                f"{path}: cannot be read as an encoded sample: {error}", "run `dvc repro --force encode`"
            ) from error


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
        samples: The training split.
        seed: Of everything drawn.
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


def validation_draw(samples: Sequence[EncodedSample], index: int, quantile: float, seed: int) -> Draw:
    """A sample as it is validated: unaltered, with all its photos and its text, at a fixed noise level and fixed noise.

    The noise depends on the sample's name, so that more samples leave the others' losses as they were.
    """
    sample = samples[index]
    name = int.from_bytes(sample.key.encode())
    views = tuple(range(sample.num_views))
    return Draw(index, 0, views, True, quantile, (_FIXED_NOISE, seed, name, round(quantile * 1e6)))


@dataclass(frozen=True)
class Batch:
    """Samples on one device, float32. B samples, N views, L tokens a view, T text tokens."""

    keys: tuple[str, ...]
    latents: Tensor  # x0, (B, 16, F', h, w)
    masked_latents: Tensor  # (B, 16, F', h, w)
    mask: Tensor  # (B, 4, F', h, w), 1 = generate
    region: Tensor  # the product's coverage, (B, 1, F', h, w)
    product_tokens: Tensor  # (B, N, L, Dp)
    view_mask: Tensor  # (B, N), True where a view is there
    text: Tensor  # (B, T, Dt)
    noise: Tensor  # (B, 16, F', h, w)
    quantiles: Tensor  # (B,)


def collate(
    dataset: EncodedDataset, draws: Sequence[Draw], empty_text: Tensor, num_views: int, device: torch.device
) -> Batch:
    """Read and assemble a batch.

    Args:
        dataset: Where from.
        draws: What.
        empty_text: Embedding of the empty text, (T, Dt), for the draws without text.
        num_views: N to which views are padded.
        device: Where to.
    """
    rows = [dataset.read(draw.index, draw.variant) for draw in draws]

    def stack(name: str) -> Tensor:
        return torch.stack([row[name] for row in rows]).to(device, torch.float32)

    product_tokens = torch.zeros(len(rows), num_views, *rows[0]["product_tokens"].shape[1:])
    view_mask = torch.zeros(len(rows), num_views, dtype=torch.bool)
    for place, (draw, row) in enumerate(zip(draws, rows, strict=True)):
        product_tokens[place, : len(draw.views)] = row["product_tokens"][list(draw.views)].float()
        view_mask[place, : len(draw.views)] = True
    texts = [row["text"] if draw.keep_text else empty_text for draw, row in zip(draws, rows, strict=True)]
    noise = [
        np.random.default_rng(draw.noise_seed).standard_normal(row["latents"].shape, dtype=np.float32)
        for draw, row in zip(draws, rows, strict=True)
    ]
    return Batch(
        keys=tuple(dataset.samples[draw.index].key for draw in draws),
        latents=stack("latents"),
        masked_latents=stack("masked_latents"),
        mask=stack("mask"),
        region=stack("region"),
        product_tokens=product_tokens.to(device),
        view_mask=view_mask.to(device),
        text=torch.stack([text.float() for text in texts]).to(device),
        noise=torch.from_numpy(np.stack(noise)).to(device),
        quantiles=torch.tensor([draw.quantile for draw in draws], dtype=torch.float64, device=device),
    )
