from __future__ import annotations

from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

from pvtt.encoding.store import EncodedDataset
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.training.dataset import SampleSequence, collate, held_out_draw
from tests.tiny_wan import TEXT_DIM
from tests.training.samples import TEXT_TOKENS

CPU = torch.device("cpu")
EMPTY_TEXT = torch.zeros(TEXT_TOKENS, TEXT_DIM)


def test_an_empty_training_split_is_an_error() -> None:
    with pytest.raises(PvttError, match="empty"):
        SampleSequence([], seed=0)


def test_a_draw_depends_on_seed_and_position_alone(workspace: Workspace) -> None:
    samples = EncodedDataset(workspace.out("encode"), "train").samples
    forward, backward = (SampleSequence(samples, seed=3, product_dropout=0.3, text_dropout=0.3) for _ in range(2))
    first = [forward[position] for position in range(40)]
    assert [backward[position] for position in reversed(range(40))] == first[::-1]
    assert [SampleSequence(samples, seed=4)[position] for position in range(40)] != first


def test_every_epoch_visits_every_sample_once_in_another_order(workspace: Workspace) -> None:
    sequence = SampleSequence(EncodedDataset(workspace.out("encode"), "train").samples, seed=0)
    epochs = [[sequence[6 * epoch + place].index for place in range(6)] for epoch in range(4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_views_variants_and_dropout_are_spread(workspace: Workspace) -> None:
    samples = EncodedDataset(workspace.out("encode"), "train").samples
    sequence = SampleSequence(samples, seed=0, product_dropout=0.25, text_dropout=0.5)
    draws = [sequence[position] for position in range(1200)]
    assert sum(not draw.views for draw in draws) / 1200 == pytest.approx(0.25, abs=0.04)
    assert sum(draw.keep_text for draw in draws) / 1200 == pytest.approx(0.5, abs=0.05)
    assert set(Counter(draw.variant for draw in draws)) == {0, 1, 2}
    of_three = [draw.views for draw in draws if samples[draw.index].num_views == 3 and draw.views]
    assert set(Counter(len(views) for views in of_three)) == {1, 2, 3}
    assert {views[0] for views in of_three} == {0, 1, 2}
    assert all(len(set(views)) == len(views) for views in of_three)


def test_a_batch_holds_what_was_drawn(workspace: Workspace) -> None:
    dataset = EncodedDataset(workspace.out("encode"), "train")
    sequence = SampleSequence(dataset.samples, seed=0, product_dropout=0.4, text_dropout=0.4)
    draws = [sequence[position] for position in range(12)]
    batch = collate(dataset, draws, EMPTY_TEXT, num_views=3, device=CPU)
    for place, draw in enumerate(draws):
        stored = load_file(workspace.out("encode") / dataset.samples[draw.index].path)
        assert torch.equal(batch.latents[place], stored["latents"][draw.variant])
        assert torch.equal(batch.region[place], stored["region"][draw.variant])
        conditions = batch.conditions
        assert torch.equal(conditions.mask[place], stored["mask"][draw.variant])
        assert torch.equal(conditions.masked_latents[place], stored["masked_latents"][draw.variant])
        assert conditions.view_mask[place].tolist() == [view < len(draw.views) for view in range(3)]
        for slot, view in enumerate(draw.views):
            assert torch.equal(conditions.photo_latents[place, slot], stored["photo_latents"][draw.variant, view])
        assert torch.equal(conditions.text[place], stored["text"] if draw.keep_text else EMPTY_TEXT)


def test_noise_does_not_depend_on_the_batch(workspace: Workspace) -> None:
    dataset = EncodedDataset(workspace.out("encode"), "train")
    sequence = SampleSequence(dataset.samples, seed=0)
    together = collate(dataset, [sequence[7], sequence[8]], EMPTY_TEXT, 3, CPU)
    alone = collate(dataset, [sequence[8]], EMPTY_TEXT, 3, CPU)
    assert torch.equal(together.noise[1], alone.noise[0])
    assert not torch.equal(together.noise[0], together.noise[1])
    assert float(together.noise.std()) == pytest.approx(1, abs=0.05)


def test_held_out_draws_are_fixed_and_whole(workspace: Workspace) -> None:
    samples = EncodedDataset(workspace.out("encode"), "val").samples
    draw = held_out_draw(samples, 1, 0.3, seed=0)
    assert (draw.variant, draw.views, draw.keep_text) == (0, tuple(range(samples[1].num_views)), True)
    assert held_out_draw(samples[1:], 0, 0.3, seed=0).noise_seed == draw.noise_seed  # whoever else is in the split
    assert held_out_draw(samples, 1, 0.5, seed=0).noise_seed != draw.noise_seed
