"""The batches of a training in the order of their positions, made ahead where a GPU would wait for them.

A position's batch depends on the position alone, so that batches made ahead by other processes are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pvtt.encoding.foreign_dataset import ForeignDataset
from pvtt.encoding.store import EncodedDataset
from pvtt.training.dataset import Batch, SampleSequence, collate

WORKERS = 10  # processes; reading and drawing a batch of 64 tiny samples takes one about 0.1 s
AHEAD = 4  # batches a process


@dataclass(frozen=True)
class Positions:
    """Where a process's share of each batch lies: `share` positions from `first`, then from `first + stride`, …"""

    first: int
    stride: int
    share: int

    def __iter__(self) -> Iterator[range]:
        start = self.first
        while True:
            yield range(start, start + self.share)
            start += self.stride


class Batches(Dataset[Batch]):
    """Batches by their positions, on the CPU.

    Args:
        dataset: The encoded samples that are read.
        sequence: What each position gets.
        empty_text: Embedding of the empty text, (T, Dt).
        foreign: The foreign clips that positions get, where they get any.
    """

    def __init__(
        self,
        dataset: EncodedDataset,
        sequence: SampleSequence,
        empty_text: Tensor,
        foreign: ForeignDataset | None = None,
    ) -> None:
        self._dataset = dataset
        self._sequence = sequence
        self._empty_text = empty_text
        self._foreign = foreign

    def __getitem__(self, positions: range) -> Batch:
        draws = [self._sequence[position] for position in positions]
        num_views, device = self._dataset.max_views, torch.device("cpu")
        return collate(self._dataset, draws, self._empty_text, num_views, device, self._foreign)

    def along(self, positions: Positions, device: torch.device, workers: int | None = None) -> Iterator[Batch]:
        """Endlessly, on `device`.

        Args:
            positions: Of each batch.
            device: The device that they are moved to.
            workers: Processes that make them ahead; 0: none. None: as many as a GPU needs, none for a CPU.
        """
        if workers is None:
            workers = min(WORKERS, os.cpu_count() or 1) if device.type == "cuda" else 0
        loader: DataLoader[Batch] = DataLoader(
            self,
            sampler=positions,  # type: ignore[arg-type]  # any iterable of indices; it has no length
            batch_size=None,
            num_workers=workers,
            prefetch_factor=AHEAD if workers else None,
            # Samples held in memory are shared with the processes, not copied.
            multiprocessing_context="fork" if workers else None,
        )
        return (batch.to(device) for batch in loader)
