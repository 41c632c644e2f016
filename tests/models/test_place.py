from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.place import PlaceEdit, places_of_word
from pvtt.models.sampling import SamplingSettings, initial_noise, sample
from pvtt.models.transformer import ProductVideoTransformer
from tests.models.test_sampling import EMPTY_TEXT, SCHEDULERS, conditions_of
from tests.models.test_transformer import SIZES, inputs
from tests.tiny_wan import opened, tiny_tokenizer, tiny_transformer

PATCH = (1, 2, 2)
LEFT_HALF = (0.0, 0.0, 32.0, 48.0)  # of the 64×48 pixels of `inputs`


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def model_of(*conditioning: str) -> ProductVideoTransformer:
    return opened(ProductVideoTransformer.from_base(tiny_transformer(), conditioning=conditioning, **SIZES)).eval()


class KeepsTextAttention(WanAttnProcessor):
    """Wan's processor, which keeps how much of its attention each patch gives to each token: (B, P, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: Tensor | None = None

    def __call__(self, attn: Any, hidden: Tensor, text: Any = None, mask: Any = None, rotary: Any = None) -> Any:
        query = attn.norm_q(attn.to_q(hidden)).unflatten(2, (attn.heads, -1))
        key = attn.norm_k(attn.to_k(text)).unflatten(2, (attn.heads, -1))
        scores = torch.einsum("bphd,bkhd->bhpk", query, key) * query.shape[-1] ** -0.5
        self.shares = (scores if mask is None else scores + mask).softmax(-1).mean(1)
        return super().__call__(attn, hidden, text, mask, rotary)


def test_a_box_moves_straight_and_a_patch_is_in_it_where_half_of_it_is() -> None:
    edit = PlaceEdit(4.0, boxes=((0, 0, 16, 16), (32, 16, 48, 32)))
    region = edit.region(torch.ones(2, 4, 3, 6, 8))
    assert region.shape == (2, 3, 6, 8)
    assert [tuple(frame.nonzero()[[0, -1]].flatten().tolist()) for frame in region[0]] == [
        (0, 0, 1, 1),
        (1, 2, 2, 3),
        (2, 4, 3, 5),
    ]
    bias = edit.bias(conditions_of(1), PATCH, [()])
    assert bias.text is None
    first = bias.product.view(2, 2, 2)[0]  # of a frame of 4×4 latents: a quarter of it is inside
    assert first.tolist() == [[4 * 0.75, -4.0], [-4.0, -4.0]]


def test_without_boxes_it_is_the_box_around_each_frames_hole() -> None:
    mask = torch.zeros(1, 4, 3, 6, 8)
    mask[0, 2, 0, 1, 2] = mask[0, 0, 0, 4, 5] = 1  # one box around both
    mask[0, 1, 2, 3, 3] = 1  # no hole at all in the second frame
    region = PlaceEdit(1.0).region(mask)[0]
    expected = torch.zeros(3, 6, 8)
    expected[0, 1:5, 2:6] = expected[2, 3, 3] = 1
    assert torch.equal(region, expected)


@pytest.mark.parametrize("conditioning", ["reference_frames", "product_tokens", "dual_encoder"])
@torch.no_grad()
def test_attention_to_the_product_grows_in_the_box_and_falls_outside(conditioning: str) -> None:
    model, given = model_of(conditioning), inputs()
    edit = PlaceEdit(2.0, boxes=(LEFT_HALF,))
    bias = edit.bias(given["conditions"], PATCH, [(), ()])
    plain = model(**given, return_product_attention=True).product_attention  # (B, blocks, F', h/p, w/p)
    edited = model(**given, place=bias, return_product_attention=True).product_attention
    assert (edited[:, 0, :, :, :2] > plain[:, 0, :, :, :2]).all()  # in the first block patch by patch
    assert (edited[:, 0, :, :, 2:] < plain[:, 0, :, :, 2:]).all()
    assert (edited[..., :2].mean((2, 3, 4)) > plain[..., :2].mean((2, 3, 4))).all()
    assert (edited[..., 2:].mean((2, 3, 4)) < plain[..., 2:].mean((2, 3, 4))).all()
    stronger = replace(edit, strength=8.0).bias(given["conditions"], PATCH, [(), ()])
    more = model(**given, place=stronger, return_product_attention=True).product_attention
    assert (more[:, 0, :, :, :2] > edited[:, 0, :, :, :2]).all()
    memory = model.remember(given["conditions"])
    assert torch.equal(model(**given, place=bias, memory=memory).sample, model(**given, place=bias).sample)


@pytest.mark.parametrize("conditioning", ["mask_channels", "context_blocks"])
@torch.no_grad()
def test_attention_to_the_products_word_grows_in_the_box_and_the_other_text_stays(conditioning: str) -> None:
    model, given = model_of(conditioning), inputs()
    processor = KeepsTextAttention()
    model.blocks[0].attn2.set_processor(processor)
    bias = PlaceEdit(2.0, boxes=(LEFT_HALF,)).bias(given["conditions"], PATCH, [(1, 2), ()])
    shares = []
    for place in (None, bias):
        model(**given, place=place)
        assert processor.shares is not None
        shares.append(processor.shares.unflatten(1, (3, 3, 4)))
    plain, edited = shares
    word = [1, 2]
    assert (edited[0, :, :, :2, word] > plain[0, :, :, :2, word]).all()
    assert (edited[0, :, :, 2:, word] < plain[0, :, :, 2:, word]).all()
    assert torch.equal(edited[1], plain[1])  # the second sample's prompt has no such word


@torch.no_grad()
def test_photos_that_vace_puts_before_the_video_keep_their_logits() -> None:
    bias = PlaceEdit(2.0, boxes=(LEFT_HALF,)).bias(inputs()["conditions"], PATCH, [(1,), (1,)])
    moved = bias.after(5, torch.bfloat16)
    assert moved.product.dtype == torch.bfloat16
    assert not moved.product[:, :5].any()
    assert moved.text is not None
    assert not moved.text[:, :, :5].any()
    assert torch.equal(moved.product[:, 5:].float(), bias.product)


def generated(model: Any, place: PlaceEdit | None, words: tuple[tuple[int, ...], ...] = ()) -> Tensor:
    settings = SamplingSettings(5, product_guidance=2.0, text_guidance=1.5, place=place, words=words)
    conditions = conditions_of(2)
    conditions.mask[:, :, :, :, 2:] = 0
    return sample(model, SCHEDULERS[1], initial_noise((16, 2, 4, 4), range(2)), conditions, EMPTY_TEXT, settings)


def test_strength_0_changes_no_bit_and_costs_nothing() -> None:
    class Watched:
        """A model that remembers in which calls its attention was edited."""

        def __init__(self) -> None:
            self.model = model_of("mask_channels", "reference_frames")
            self.dtype, self.patch_shape, self.remember = self.model.dtype, self.model.patch_shape, self.model.remember
            self.edited: list[bool] = []

        def __call__(self, **arguments: Any) -> Any:
            self.edited.append("place" in arguments)
            return self.model(**arguments)

    watched = Watched()
    without = generated(watched, None)
    assert torch.equal(generated(watched, PlaceEdit(0.0), ((1,), (2,))), without)
    assert not any(watched.edited)
    watched.edited.clear()
    placed = generated(watched, PlaceEdit(3.0, end=0.4))
    assert watched.edited == [True, True, False, False, False]
    assert not torch.equal(placed, without)
    assert not torch.equal(generated(watched, PlaceEdit(3.0, end=0.4), ((1,), (2,))), placed)
    assert PlaceEdit(1.0, end=0.01).acts_on(0, 5)


def test_a_word_is_found_wherever_it_stands_and_an_empty_prompt_has_none() -> None:
    prompts = ["a ring, a gold ring", "", "ring"]
    tokens = tiny_tokenizer()
    found = places_of_word("ring", prompts, tokens, 40)
    ids = tokens(prompts[0]).input_ids
    word = tokens("ring", add_special_tokens=False).input_ids
    assert [ids[place] for place in found[0]] == word * 2
    assert found[1] == ()
    assert found[2] == tuple(range(len(word)))
    assert places_of_word(" ", prompts, tokens, 40) == [(), (), ()]
    with pytest.raises(PvttError, match="'a mug' has no 'ring'"):
        places_of_word("ring", ["a mug"], tokens, 40)


@pytest.mark.parametrize("wrong", [{"strength": -1.0}, {"end": 0.0}, {"boxes": ((4.0, 0.0, 4.0, 8.0),)}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PvttError, match="place's"):
        PlaceEdit(**wrong)


def test_samples_without_product_stay_finite() -> None:
    given = inputs()
    dropped: Conditions = given["conditions"].without_product()
    bias = PlaceEdit(10.0, boxes=(LEFT_HALF,)).bias(dropped, PATCH, [(), ()])
    model = model_of("reference_frames", "product_tokens")
    with torch.no_grad():
        assert model(**(given | {"conditions": dropped}), place=bias).sample.isfinite().all()
