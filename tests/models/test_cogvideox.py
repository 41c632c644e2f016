"""CogVideoX as a base: random weights of a few thousand parameters, against diffusers' own pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import CogVideoXPipeline

from pvtt.errors import PvttError
from pvtt.models.bases import new_around_base
from pvtt.models.cogvideox import CogVideoXProductTransformer
from pvtt.models.cogvideox_schedule import mixture, nearest_steps, noise_levels
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.loading import load_scheduler, load_text_encoder, load_vae
from pvtt.models.sampling import SamplingSettings, initial_noise, sample
from pvtt.models.text import encode_text
from pvtt.models.vae import decode_latents, encode_video, to_unit_range
from tests.tiny_cogvideox import SHIFTS, TEXT_TOKENS, Size, build_tiny_cogvideox, tiny_cogvideox
from tests.tiny_wan import TEXT_DIM, opened

SIZES: tuple[Size, ...] = ("2b", "5b")
PRODUCT = {"tokens_per_view": 4, "num_product_tokens": 6, "product_heads": 2, "dino_dim": 10, "dino_tokens_per_view": 5}
WAYS = [
    ("mask_channels", "reference_frames", "collage"),
    ("template_frames", "product_tokens"),
    ("mask_channels", "dual_encoder"),
]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """For all of these tests."""


def conditions_of(batch_size: int = 2, num_views: int = 3) -> Conditions:
    """Random ones of two latent frames more than the base was trained on, each a patch wider."""
    torch.manual_seed(1)
    video = (batch_size, 16, 3, 4, 8)
    return Conditions(
        mask=torch.rand(batch_size, 4, *video[2:]),
        masked_latents=torch.randn(video),
        photo_latents=torch.randn(batch_size, num_views, 16, 4, 4),
        view_mask=torch.ones(batch_size, num_views, dtype=torch.bool),
        text=torch.randn(batch_size, TEXT_TOKENS, TEXT_DIM),
        image_tokens=torch.randn(batch_size, num_views, 4, 64),
        dino_tokens=torch.randn(batch_size, num_views, 5, 10),
        template_latents=torch.randn(video),
        collage_latents=torch.randn(video),
        collage_mask=torch.rand(batch_size, 4, *video[2:]),
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("conditioning", WAYS, ids="+".join)
@torch.no_grad()
def test_a_new_models_v_is_its_bases(size: Size, conditioning: tuple[str, ...]) -> None:
    base = tiny_cogvideox(size)
    shift = SHIFTS[size]
    model = CogVideoXProductTransformer.from_base(base, conditioning=conditioning, snr_shift_scale=shift, **PRODUCT)
    conditions, steps = conditions_of(), torch.tensor([40, 999])
    sigmas = noise_levels(shift)[steps].float()
    assert torch.equal(nearest_steps(sigmas, shift), steps)
    noisy = torch.randn_like(conditions.masked_latents)
    signal, noise = mixture(sigmas.view(-1, 1, 1, 1, 1))
    mixed = (signal + noise) * noisy
    turns = None
    if size == "5b":
        pipeline = CogVideoXPipeline(None, None, None, base, None)
        turns = pipeline._prepare_rotary_positional_embeddings(32, 64, 3, torch.device("cpu"))
    v = base(mixed.transpose(1, 2), conditions.text, steps, image_rotary_emb=turns).sample.transpose(1, 2)
    velocity = model(noisy, 1000 * sigmas, conditions).sample
    assert torch.equal(velocity, (noise - signal) * mixed + (signal + noise) * v)
    assert not torch.equal(opened(model)(noisy, 1000 * sigmas, conditions).sample, velocity)


@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_a_new_model_samples_what_diffusers_pipeline_samples(tmp_path: Path, size: Size) -> None:
    base = build_tiny_cogvideox(tmp_path, size)
    stock = CogVideoXPipeline.from_pretrained(base)
    stock.set_progress_bar_config(disable=True)
    texts = encode_text(["a silver ring", ""], *load_text_encoder(base), max_tokens=TEXT_TOKENS)
    expected, _ = stock.encode_prompt(["a silver ring", ""], None, False, max_sequence_length=TEXT_TOKENS)
    torch.testing.assert_close(texts, expected, atol=1e-5, rtol=0)

    noise = initial_noise((16, 3, 4, 6), [0])
    conditions = conditions_of(1)
    given = Conditions(
        mask=conditions.mask[..., :6],
        masked_latents=conditions.masked_latents[..., :6],
        photo_latents=conditions.photo_latents,
        view_mask=conditions.view_mask,
        text=texts[:1],
        collage_latents=conditions.masked_latents[..., :6],
        collage_mask=conditions.mask[..., :6],
    )
    model = new_around_base(base, **PRODUCT).eval()
    for guidance in (1.0, 6.0):
        settings = SamplingSettings(4, product_guidance=0.0, text_guidance=guidance)
        own = sample(model, load_scheduler(base), noise, given, texts[1], settings)
        (of_stock,) = stock(
            prompt_embeds=texts[:1], negative_prompt_embeds=texts[1:], latents=noise.transpose(1, 2), height=32,
            width=48, num_frames=9, num_inference_steps=4, guidance_scale=guidance, output_type="latent",
            return_dict=False,
        )  # fmt: skip
        torch.testing.assert_close(own, of_stock.transpose(1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 5, 9, 13])
@torch.no_grad()
def test_video_is_encoded_and_decoded_as_the_pipeline_does(tmp_path: Path, num_frames: int) -> None:
    vae = load_vae(build_tiny_cogvideox(tmp_path))
    pixels = torch.randint(0, 256, (3, num_frames, 32, 48, 3), dtype=torch.uint8)
    latents = encode_video(vae, to_unit_range(pixels))
    torch.testing.assert_close(latents, 0.7 * vae.encode(to_unit_range(pixels)).latent_dist.mode(), atol=1e-5, rtol=0)
    decoded = decode_latents(vae, latents)
    assert decoded.shape == (3, 3, num_frames, 32, 48)
    if num_frames % 8 == 1:
        torch.testing.assert_close(decoded, vae.decode(latents / 0.7).sample, atol=1e-5, rtol=0)


def test_noise_alone_is_the_last_trained_step_and_levels_rise() -> None:
    for shift in SHIFTS.values():
        levels = noise_levels(shift)
        assert levels[-1] == 1
        assert (levels.diff() > 0).all()
        assert torch.equal(nearest_steps(levels.float(), shift), torch.arange(1000))
        between = (levels[10:12].mean() - 1e-9).float()[None]
        assert nearest_steps(between, shift) in (10, 11)


def test_what_cannot_be_had_on_a_cogvideox_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match="VACE"):
        CogVideoXProductTransformer.from_base(tiny_cogvideox(), conditioning=("context_blocks",))
    with pytest.raises(PvttError, match="not a text-to-video"):
        CogVideoXProductTransformer.from_base(tiny_cogvideox(in_channels=32))
    with pytest.raises(PvttError, match=r"CogVideoX 1\.5"):
        CogVideoXProductTransformer.from_base(tiny_cogvideox("5b", patch_size_t=2))
    model = CogVideoXProductTransformer.from_base(tiny_cogvideox(max_text_seq_length=5), **PRODUCT)
    conditions = conditions_of()
    with pytest.raises(PvttError, match="12 tokens"):
        model(torch.zeros_like(conditions.masked_latents), torch.zeros(2), conditions)
    base = build_tiny_cogvideox(tmp_path)
    path = base / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "epsilon"}))
    with pytest.raises(PvttError, match="prediction_type"):
        new_around_base(base)
    with pytest.raises(PvttError, match="prediction_type"):
        load_scheduler(base)
