"""VACE's blocks, against diffusers' own model and pipeline on random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanVACEPipeline
from PIL import Image

from pvtt.encoding.masks import unpack_mask
from pvtt.errors import PvttError
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.photo_features import encode_canvases
from pvtt.models.loading import load_component
from pvtt.models.sampling import SamplingSettings, sample
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.models.vae import encode_video, to_unit_range
from tests.tiny_wan import TEXT_DIM, opened, tiny_text_encoder, tiny_tokenizer, tiny_transformer, tiny_vace, tiny_vae

VACE = {"conditioning": ("context_blocks",)}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def conditions(num_views: int, batch_size: int = 2, seed: int = 1) -> Conditions:
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=random)

    return Conditions(
        mask=normal(batch_size, 4, 3, 6, 8),
        masked_latents=normal(batch_size, 16, 3, 6, 8),
        photo_latents=normal(batch_size, num_views, 16, 6, 6),
        view_mask=torch.ones(batch_size, num_views, dtype=torch.bool),
        text=normal(batch_size, 5, TEXT_DIM),
        context_mask=normal(batch_size, 64, 3, 6, 8),
        reactive_latents=normal(batch_size, 16, 3, 6, 8),
        canvas_latents=normal(batch_size, num_views, 16, 6, 8),
    )


def control(given: Conditions) -> torch.Tensor:
    """VACE's input as diffusers' pipeline puts it together: each reference before those that were there."""
    assert given.reactive_latents is not None
    assert given.context_mask is not None
    assert given.canvas_latents is not None
    whole = torch.cat([given.masked_latents, given.reactive_latents, given.context_mask], dim=1)
    for view in range(given.num_views):
        canvas = given.canvas_latents[:, view, :, None]
        reference = torch.cat([canvas, canvas.new_zeros(len(given), 16 + 64, 1, 6, 8)], dim=1)
        whole = torch.cat([reference, whole], dim=2)
    return whole


@pytest.mark.parametrize(
    ("num_views", "dtype"),
    [(0, torch.float32), (1, torch.float32), (1, torch.bfloat16), (3, torch.float32), (8, torch.float32)],
)
@torch.no_grad()
def test_a_new_model_equals_its_vace_bit_for_bit(num_views: int, dtype: torch.dtype) -> None:
    base = tiny_vace().to(dtype)
    model = ProductVideoTransformer.from_base(base, **VACE)
    given = conditions(num_views).to(dtype=dtype)
    latents = torch.randn(2, 16, 3, 6, 8, dtype=dtype)
    timestep = torch.tensor([1000.0, 400.0])
    before = model.parts["context_blocks"].prepend(given, timestep)
    whole = latents if before is None else torch.cat([before.latents, latents], dim=2)
    assert whole.shape[2] == num_views + 3
    expected = base(whole, timestep, given.text, control_hidden_states=control(given)).sample
    velocity = model(latents, timestep, given).sample
    assert torch.equal(velocity, expected[:, :, num_views:])


def pictures(number: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (number, 48, 48, 3), dtype=np.uint8)


@pytest.mark.parametrize("num_views", [0, 2])
@torch.no_grad()
def test_a_step_of_sampling_equals_diffusers_pipeline(num_views: int) -> None:
    """Pixels in, latents out: masks, streams, references and their place, and what is cut off."""
    random = np.random.default_rng(1)
    video = random.integers(0, 256, (9, 48, 64, 3), dtype=np.uint8)
    hole = np.zeros((9, 48, 64), np.bool_)
    hole[:, 10:37, 13:50] = True
    hole[4:, 5:20, 30:60] = True
    video[hole] = 128  # no product is shown to VACE
    vae, scheduler = tiny_vae("wan2.1"), FlowMatchEulerDiscreteScheduler(shift=3.0)
    base = tiny_vace()
    pipeline = WanVACEPipeline(tiny_tokenizer(), tiny_text_encoder(), vae, scheduler, base)
    pipeline.set_progress_bar_config(disable=True)
    photos = pictures(num_views)
    pixels = torch.where(torch.from_numpy(hole)[None, None], 0.0, to_unit_range(torch.from_numpy(video)[None]))
    text = torch.randn(1, 12, TEXT_DIM)
    given = Conditions(
        mask=torch.ones(1, 4, 3, 6, 8),
        masked_latents=encode_video(vae, pixels),
        photo_latents=torch.zeros(1, num_views, 16, 6, 6),
        view_mask=torch.ones(1, num_views, dtype=torch.bool),
        text=text,
        context_mask=unpack_mask(hole)[None],
        reactive_latents=encode_video(vae, torch.zeros_like(pixels)),
        canvas_latents=encode_canvases(vae, photos, 48, 64)[None] if num_views else torch.zeros(1, 0, 16, 6, 8),
    )
    model = ProductVideoTransformer.from_base(base, **VACE).eval()
    noise = torch.randn(1, 16, 3, 6, 8)
    before = model.parts["context_blocks"].prepend(given, torch.tensor([1000.0]))
    made = pipeline(
        video=[Image.fromarray(frame) for frame in video],
        mask=[Image.fromarray(frame.astype(np.uint8) * 255).convert("RGB") for frame in hole],
        reference_images=[Image.fromarray(photo) for photo in photos] or None,
        prompt_embeds=text,
        height=48,
        width=64,
        num_frames=9,
        num_inference_steps=1,
        guidance_scale=1.0,
        latents=noise if before is None else torch.cat([before.latents, noise], dim=2),
        output_type="latent",
    ).frames
    ours = sample(model, scheduler, noise, given, text[0], SamplingSettings(1))
    assert made.shape[2] == num_views + 3
    difference = (ours - made[:, :, num_views:]).abs().max()
    assert difference < 0.05 * made.std()  # 8-bit video: 128 is not quite 0, which our hole holds
    without = replace(given, reactive_latents=given.reactive_latents * 0)
    assert (sample(model, scheduler, noise, without, text[0], SamplingSettings(1)) - ours).abs().max() > difference


@torch.no_grad()
def test_samples_with_different_numbers_of_views_are_as_alone() -> None:
    for base in (tiny_vace(), tiny_transformer()):
        model = opened(ProductVideoTransformer.from_base(base, **VACE)).eval()
        samples = [conditions(num_views, 1, seed=num_views) for num_views in (0, 3, 1)]
        samples = [replace(one, text=samples[0].text) for one in samples]
        latents = torch.randn(3, 16, 3, 6, 8)
        timestep = torch.tensor([900.0, 500.0, 100.0])
        together = model(latents, timestep, Conditions.concatenate(samples)).sample
        for place, one in enumerate(samples):
            alone = model(latents[place : place + 1], timestep[place : place + 1], one).sample
            assert torch.allclose(together[place], alone[0], atol=1e-4), place


def test_a_vace_needs_its_blocks_and_another_base_gets_every_second() -> None:
    with pytest.raises(PvttError, match="the base is a VACE") as error:
        ProductVideoTransformer.from_base(tiny_vace(), conditioning=("mask_channels",))
    assert "context_blocks" in str(error.value.hint)
    base = tiny_transformer(num_layers=4)
    model = ProductVideoTransformer.from_base(base, **VACE)
    copied = model.parts["context_blocks"].blocks
    assert len(copied) == 2
    assert torch.equal(copied[1].attn1.to_q.weight, base.blocks[2].attn1.to_q.weight)
    assert torch.equal(copied[1].scale_shift_table, base.blocks[2].scale_shift_table)


def test_a_vace_folder_is_a_base(tmp_path: Path) -> None:
    base = tiny_vace()
    base.save_pretrained(tmp_path / "base")
    model = ProductVideoTransformer.from_base(tmp_path / "base", **VACE)
    model.save_pretrained(tmp_path / "model")
    loaded: Any = load_component(tmp_path / "model", ProductVideoTransformer)
    assert tuple(loaded.config.context_layers) == (0, 2)
    given = conditions(2)
    arguments = (torch.randn(2, 16, 3, 6, 8), torch.tensor([700.0, 20.0]), given)
    with torch.no_grad():
        assert torch.equal(loaded(*arguments).sample, model(*arguments).sample)
        before = model.parts["context_blocks"].prepend(given, arguments[1])
        whole = torch.cat([before.latents, arguments[0]], dim=2)
        expected = base(whole, arguments[1], given.text, control_hidden_states=control(given)).sample
        assert torch.equal(loaded(*arguments).sample, expected[:, :, 2:])
