"""Batches made ahead by other processes are those that this process would make."""

from __future__ import annotations

from itertools import islice

import torch

from pvtt.encoding.store import EncodedDataset
from pvtt.files.workspace import Workspace
from pvtt.training.batches import Batches, Positions
from pvtt.training.dataset import SampleSequence
from tests.tiny_wan import TEXT_DIM
from tests.training.samples import TEXT_TOKENS

CPU = torch.device("cpu")


def test_batches_made_ahead_are_the_same(workspace: Workspace) -> None:
    dataset = EncodedDataset(workspace.out("encode"), "train")
    sequence = SampleSequence(dataset.samples, seed=3, product_dropout=0.3, text_dropout=0.3)
    batches = Batches(dataset, sequence, torch.zeros(TEXT_TOKENS, TEXT_DIM))
    here, ahead = (
        list(islice(batches.along(Positions(first=5, stride=4, share=2), CPU, workers), 5)) for workers in (0, 2)
    )
    for one, other in zip(here, ahead, strict=True):
        assert one.keys == other.keys
        assert torch.equal(one.noise, other.noise)
        assert torch.equal(one.latents, other.latents)
        assert torch.equal(one.conditions.photo_latents, other.conditions.photo_latents)
    assert torch.equal(here[1].noise, batches[range(9, 11)].noise)
    assert len({batch.keys for batch in here}) > 1
