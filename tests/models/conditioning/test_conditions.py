"""What a batch is generated from, as training, sampling and evaluation put it together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from accelerate.utils import send_to_device
from torch import Tensor

from pvtt.models.conditioning.conditions import Conditions


def conditions_of(num_views: int, batch_size: int = 1, seed: int = 0, dtype: torch.dtype = torch.float32) -> Conditions:
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=random).to(dtype)

    return Conditions(
        mask=normal(batch_size, 4, 3, 4, 6),
        masked_latents=normal(batch_size, 16, 3, 4, 6),
        photo_latents=normal(batch_size, num_views, 16, 2, 2),
        view_mask=torch.ones(batch_size, num_views, dtype=torch.bool),
        text=normal(batch_size, 5, 8),
        collage_latents=normal(batch_size, 16, 3, 4, 6),
        collage_mask=normal(batch_size, 4, 3, 4, 6),
    )


def shows_no_photo(conditions: Conditions) -> bool:
    assert conditions.collage_latents is not None
    assert conditions.collage_mask is not None
    return torch.equal(conditions.collage_latents, conditions.masked_latents) and not conditions.collage_mask.any()


def test_samples_with_different_numbers_of_photos_share_a_batch() -> None:
    one, three = conditions_of(1, seed=1), conditions_of(3, seed=2)
    batch = Conditions.concatenate([one, three])
    assert (len(batch), batch.num_views) == (2, 3)
    assert batch.view_mask.tolist() == [[True, False, False], [True, True, True]]
    assert torch.equal(batch.photo_latents[0, :1], one.photo_latents[0])
    assert torch.equal(batch.photo_latents[1], three.photo_latents[0])
    assert torch.equal(batch.text, torch.cat([one.text, three.text]))
    assert Conditions.concatenate([one], num_views=4).view_mask.tolist() == [[True, False, False, False]]
    with pytest.raises(ValueError, match="3 views do not fit into 2"):
        Conditions.concatenate([three], num_views=2)


def test_a_sample_of_a_batch_is_a_batch_of_one() -> None:
    batch = Conditions.concatenate([conditions_of(2, seed=seed) for seed in range(3)])
    assert torch.equal(batch[1].text, batch.text[1:2])
    assert torch.equal(batch[-1].mask, batch.mask[2:])
    assert [len(batch[:2]), len(batch[2:])] == [2, 1]
    assert len(list(batch)) == 3
    with pytest.raises(IndexError, match="sample 3 of 3"):
        batch[3]


def test_only_floating_point_parts_change_their_type() -> None:
    half = conditions_of(2).to("cpu", torch.bfloat16)
    assert half.view_mask.dtype == torch.bool
    assert isinstance(send_to_device(half, "cpu", non_blocking=True), Conditions)  # as diffusers' offloading moves it
    assert {half.mask.dtype, half.masked_latents.dtype, half.photo_latents.dtype, half.text.dtype} == {torch.bfloat16}


def test_views_are_chosen_in_the_order_given_and_none_drops_the_product() -> None:
    whole = conditions_of(3)
    chosen = whole.with_views((2, 0))
    assert torch.equal(chosen.photo_latents, whole.photo_latents[:, [2, 0]])
    dropped = Conditions.concatenate([chosen, whole.with_views(())], num_views=3)
    assert dropped.has_product.tolist() == [True, False]
    assert whole.without_product().has_product.tolist() == [False]
    assert torch.equal(whole.without_product().photo_latents, whole.photo_latents)


def test_another_products_photos_go_into_the_same_template() -> None:
    own, other = conditions_of(2, batch_size=2, seed=1), conditions_of(4, batch_size=2, seed=2)
    swapped = own.with_photos_of(other)
    assert torch.equal(swapped.photo_latents, other.photo_latents)
    assert torch.equal(swapped.view_mask, other.view_mask)
    for name in ("mask", "masked_latents", "text"):
        assert torch.equal(getattr(swapped, name), getattr(own, name))
    with pytest.raises(ValueError, match=r"photo_latents is \(1, 2, 16, 2, 2\), not \(B=2, N, C=16, y, x\)"):
        own.with_photos_of(conditions_of(2))


def test_a_collage_goes_with_its_product_and_its_template() -> None:
    own, other = conditions_of(2, seed=1), conditions_of(2, seed=2)
    empty = own.all_hole(torch.full((16, 3, 4, 6), 0.25))
    for changed in (own.without_product(), own.with_views(()), own.with_photos_of(other), empty):
        assert shows_no_photo(changed)
    assert not shows_no_photo(own.with_views((1,)))
    latents, mask = torch.full((1, 16, 3, 4, 6), 0.5), torch.ones(1, 4, 3, 4, 6)
    pasted = own.with_photos_of(other).with_collage(latents, mask)
    assert torch.equal(pasted.collage_latents, latents)  # type: ignore[arg-type]
    bare = replace(own, collage_latents=None, collage_mask=None)
    assert bare.without_product().collage_latents is None


def test_one_text_stands_for_all_samples() -> None:
    batch = conditions_of(2, batch_size=2, dtype=torch.bfloat16)
    empty = batch.with_text(torch.zeros(5, 8)).text
    assert (empty.shape, empty.dtype) == (batch.text.shape, torch.bfloat16)
    assert not empty.any()


def test_a_template_that_is_all_hole_says_nothing_of_the_video() -> None:
    hole = conditions_of(2, batch_size=2).all_hole(torch.full((16, 3, 4, 6), 0.25))
    assert (hole.mask == 1).all()
    assert (hole.masked_latents == 0.25).all()


def test_parts_that_do_not_fit_each_other_are_named() -> None:
    given = conditions_of(2)
    wrong: dict[str, Any] = {
        "mask": given.mask[:, :3],
        "masked_latents": given.masked_latents[..., :5],
        "view_mask": given.view_mask[:, :1],
        "text": given.text[0],
    }
    for name, tensor in wrong.items():
        with pytest.raises(ValueError, match=f"^{name} is "):
            replace(given, **{name: tensor})


@dataclass(frozen=True, eq=False)
class WithReferences(Conditions):
    """One part more: latents of the photos, which not every model has."""

    references: Tensor | None = field(default=None, metadata={"source": "photos", "dims": "B N C h w"})


def with_references(num_views: int, seed: int) -> WithReferences:
    plain = conditions_of(num_views, seed=seed)
    parts = {name: getattr(plain, name) for name in Conditions.names("template", "photos", "text")}
    return WithReferences(**parts, references=torch.randn(1, num_views, 16, 4, 6))


def test_a_further_part_is_a_field_and_nothing_else() -> None:
    first, second = with_references(1, 1), with_references(3, 2)
    batch = WithReferences.concatenate([first, second])
    assert batch.references is not None
    assert second.references is not None
    assert batch.references.shape == (2, 3, 16, 4, 6)
    assert not batch.references[0, 1:].any()
    for changed in (batch[1], second.with_views((0, 1, 2)), first.with_photos_of(second)):
        assert isinstance(changed, WithReferences)
        assert changed.references is not None
        assert torch.equal(changed.references[0], second.references[0])
    assert batch.to(dtype=torch.float64).references.dtype == torch.float64  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="missing in others"):
        WithReferences.concatenate([first, replace(second, references=None)])
