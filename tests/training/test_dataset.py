from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from pvtt.encoding.foreign_dataset import ForeignDataset
from pvtt.encoding.store import EncodedDataset
from pvtt.errors import PvttError
from pvtt.files.workspace import Workspace
from pvtt.models.flow_matching import sigmas_at
from pvtt.training.dataset import HighNoise, SampleSequence, collate, held_out_draw
from tests.tiny_wan import TEXT_DIM
from tests.training.samples import TEXT_TOKENS, tiny_params, write_foreign

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


def test_the_semantic_schedule_lifts_its_share_of_the_products_to_high_noise(workspace: Workspace) -> None:
    samples = EncodedDataset(workspace.out("encode"), "train").samples
    params = tiny_params(semantic_schedule=0.5).train
    high = HighNoise.from_params(params)
    assert high is not None
    plain = SampleSequence(samples, seed=0, product_dropout=0.3)
    lifted = SampleSequence(samples, seed=0, product_dropout=0.3, high_noise=high)
    pairs = [(plain[position], lifted[position]) for position in range(1200)]
    changed = [after for before, after in pairs if after != before]
    assert len(changed) / sum(bool(before.views) for before, _ in pairs) == pytest.approx(0.5, abs=0.05)
    assert all(after == replace(before, quantile=after.quantile) for before, after in pairs)  # nothing else changes
    assert all(draw.views for draw in changed)
    quantiles = torch.tensor([draw.quantile for draw in changed], dtype=torch.float64)
    sigmas = sigmas_at(quantiles, params.sigma_sampling, params.sigma_shift)
    assert 0.5 <= sigmas.min() < 0.52
    assert HighNoise.from_params(tiny_params().train) is None


def test_without_view_dropout_a_sample_has_all_its_photos(workspace: Workspace) -> None:
    samples = EncodedDataset(workspace.out("encode"), "train").samples
    some, every, half = (SampleSequence(samples, seed=0, view_dropout=share) for share in (1.0, 0.0, 0.5))
    for position in range(60):
        assert len(every[position].views) == samples[every[position].index].num_views
        assert every[position].views[: len(some[position].views)] == some[position].views
    whole = [half[position] == every[position] for position in range(600)]
    by_chance = [some[position] == every[position] for position in range(600)]
    assert sum(whole) / 600 == pytest.approx((1 + sum(by_chance) / 600) / 2, abs=0.05)


def test_draws_are_those_of_earlier_versions(workspace: Workspace) -> None:
    """Switches that are off draw nothing: a training without them keeps its bits."""
    samples = EncodedDataset(workspace.out("encode"), "train").samples
    sequence = SampleSequence(samples, seed=3, product_dropout=0.3, text_dropout=0.3)
    found = [(draw.index, draw.variant, draw.views, draw.keep_text) for draw in map(sequence.__getitem__, range(6))]
    assert found == [
        (1, 1, (1,), True),
        (3, 0, (0,), True),
        (0, 0, (0,), False),
        (5, 1, (0, 2), True),
        (2, 2, (), True),
        (4, 2, (), True),
    ]


def test_foreign_clips_are_drawn_apart_and_change_no_other_draw(workspace: Workspace) -> None:
    write_foreign(workspace.out("encode"))
    dataset = EncodedDataset(workspace.out("encode"), "train")
    foreign = ForeignDataset(workspace.out("encode"), dataset.samples[0].latent_shape)
    plain = SampleSequence(dataset.samples, seed=0)
    with_films = SampleSequence(dataset.samples, seed=0, foreign=foreign.samples)
    draws = [with_films[position] for position in range(40)]
    assert [replace(draw, foreign=None) for draw in draws] == [plain[position] for position in range(40)]
    assert {draw.foreign for draw in draws} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    batch = collate(dataset, draws[:3], EMPTY_TEXT, 3, CPU, foreign)
    assert batch.foreign is not None
    for place, draw in enumerate(draws[:3]):
        index, variant = draw.foreign or (0, 0)
        tensors = load_file(workspace.out("encode") / foreign.samples[index].path)
        assert torch.equal(batch.foreign.latents[place], tensors["latents"][variant])
        assert torch.equal(batch.foreign.text[place], tensors["text"])


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
