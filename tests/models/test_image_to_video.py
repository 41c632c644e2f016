"""Wan2.1's image-to-video model as a base: random weights, against diffusers' own model and pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanImageToVideoPipeline, WanTransformer3DModel
from PIL import Image

from pvtt.encoding.masks import fill_hole, pack_mask
from pvtt.errors import PvttError
from pvtt.models.bases import class_of, load_trained, new_around_base
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.image_to_video import ProductImageVideoTransformer
from pvtt.models.loading import load_scheduler, load_vae
from pvtt.models.sampling import SamplingSettings, initial_noise, sample
from pvtt.models.vae import encode_video, to_unit_range
from tests.evaluation.contenders.pipelines import save_image_to_video
from tests.tiny_wan import TEXT_DIM, opened, tiny_i2v

PRODUCT = {"tokens_per_view": 9, "num_product_tokens": 6, "product_heads": 2, "dino_dim": 10, "dino_tokens_per_view": 5}
WAYS = [("mask_channels", "reference_frames", "collage"), ("product_tokens",), ("template_frames", "dual_encoder")]
IMAGE_DIM = 32


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For all of these tests."""


def conditions_of(batch_size: int = 2, text_tokens: int = 512) -> Conditions:
    torch.manual_seed(1)
    video = (batch_size, 16, 3, 4, 6)
    return Conditions(
        mask=torch.rand(batch_size, 4, *video[2:]),
        masked_latents=torch.randn(video),
        photo_latents=torch.randn(batch_size, 3, 16, 4, 4),
        view_mask=torch.ones(batch_size, 3, dtype=torch.bool),
        text=torch.randn(batch_size, text_tokens, TEXT_DIM),
        image_tokens=torch.randn(batch_size, 3, 9, IMAGE_DIM),
        dino_tokens=torch.randn(batch_size, 3, 5, 10),
        template_latents=torch.randn(video),
        collage_latents=torch.randn(video),
        collage_mask=torch.rand(batch_size, 4, *video[2:]),
    )


def velocity_of(base: WanTransformer3DModel, noisy: torch.Tensor, time: torch.Tensor, given: Conditions) -> Any:
    """What the base makes of the same inputs."""
    assert given.image_tokens is not None
    channels = torch.cat([noisy, 1 - given.mask, given.masked_latents], dim=1)
    first = given.image_tokens[:, 0] * given.view_mask[:, :1, None]
    return base(channels, time, given.text, encoder_hidden_states_image=first).sample


@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_a_new_model_equals_its_base_bit_for_bit(conditioning: tuple[str, ...], tmp_path: Path) -> None:
    base = tiny_i2v()
    model = ProductImageVideoTransformer.from_base(base, conditioning=conditioning, **PRODUCT).eval()
    given, time = conditions_of(), torch.tensor([300.0, 900.0])
    noisy = torch.randn_like(given.masked_latents)
    for one in (given, given.without_product()):
        assert torch.equal(model(noisy, time, one).sample, velocity_of(base, noisy, time, one))
    changed = opened(model)(noisy, time, given).sample
    assert not torch.equal(changed, velocity_of(base, noisy, time, given))
    model.save_pretrained(tmp_path / "transformer")
    loaded = load_trained(tmp_path)
    assert class_of(loaded) is ProductImageVideoTransformer
    assert torch.equal(loaded(noisy, time, given).sample, changed)


@torch.no_grad()
def test_a_new_model_samples_what_diffusers_pipeline_samples(tmp_path: Path) -> None:
    """A template whose first frame is kept and whose others are all hole is what an image-to-video model films."""
    base = save_image_to_video(tmp_path)
    stock = WanImageToVideoPipeline.from_pretrained(base)
    stock.set_progress_bar_config(disable=True)
    random = np.random.default_rng(0)
    video = random.integers(0, 256, (9, 32, 48, 3), np.uint8)
    hole = np.ones((9, 32, 48), bool)
    hole[0] = False
    pixels = to_unit_range(torch.from_numpy(video[None]))
    given = conditions_of(1)
    conditions = Conditions(
        mask=pack_mask(hole)[None],
        masked_latents=encode_video(load_vae(base), fill_hole(pixels, torch.from_numpy(hole)[None, None], 0.0)),
        photo_latents=given.photo_latents,
        view_mask=given.view_mask,
        text=given.text,
        image_tokens=stock.encode_image(Image.fromarray(video[0]))[None].expand(-1, 3, -1, -1),
    )
    model = new_around_base(base, conditioning=("mask_channels",)).eval()
    noise, empty = initial_noise((16, 3, 4, 6), [0]), torch.randn(512, TEXT_DIM)
    own = sample(model, load_scheduler(base), noise, conditions, empty, SamplingSettings(4, 1.0, 1.0))
    (of_stock,) = stock(
        Image.fromarray(video[0]), prompt_embeds=given.text, latents=noise,
        height=32, width=48, num_frames=9, num_inference_steps=4, guidance_scale=1.0, output_type="latent",
        return_dict=False,
    )  # fmt: skip
    torch.testing.assert_close(own, of_stock, atol=1e-5, rtol=1e-5)


def test_what_it_cannot_be_or_be_given_is_refused_by_name() -> None:
    with pytest.raises(PvttError, match="VACE"):
        ProductImageVideoTransformer.from_base(tiny_i2v(), conditioning=("context_blocks",))
    with pytest.raises(PvttError, match="width 32, and the data have tokens of width 64"):
        ProductImageVideoTransformer.from_base(tiny_i2v(), product_dim=64)
    with pytest.raises(PvttError, match="FLF2V"):
        ProductImageVideoTransformer.from_base(tiny_i2v(pos_embed_seq_len=18))
    model = ProductImageVideoTransformer.from_base(tiny_i2v(), **PRODUCT)
    given = conditions_of(text_tokens=5)
    with pytest.raises(PvttError, match="5 tokens"):
        model(given.masked_latents, torch.zeros(2), given)
