from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline

from pvtt.models.loading import load_scheduler, load_text_encoder, load_vae
from pvtt.models.text import encode_text
from pvtt.models.vae import decode_latents, encode_video, latent_frames, quicken_encoder, to_pixels, to_unit_range
from tests.tiny_wan import VaeKind, build_tiny_base


@pytest.mark.parametrize("kind", ["wan2.1", "wan2.2"])
@torch.no_grad()
def test_video_and_text_are_encoded_as_wans_pipeline_does(tmp_path: Path, kind: VaeKind) -> None:
    torch.set_num_threads(1)
    base = build_tiny_base(tmp_path, kind)
    vae = load_vae(base)
    pixels = torch.randint(0, 256, (3, 9, 32, 48, 3), dtype=torch.uint8)
    latents = encode_video(vae, to_unit_range(pixels), batch_size=2)
    assert latents.shape == (3, 16, latent_frames(9), 4, 6)
    wan = WanPipeline.from_pretrained(base)
    decoded = decode_latents(vae, latents, batch_size=2)
    mean = torch.tensor(vae.config.latents_mean).view(1, 16, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(1, 16, 1, 1, 1)
    assert torch.allclose(decoded, wan.vae.decode(latents * std + mean).sample, atol=1e-4)
    assert to_pixels(decoded).shape == pixels.shape
    assert type(load_scheduler(base)) is type(wan.scheduler)

    embeddings = encode_text(["a silver ring", ""], *load_text_encoder(base), max_tokens=8)
    expected, _ = wan.encode_prompt(["a silver ring", ""], do_classifier_free_guidance=False, max_sequence_length=8)
    assert torch.allclose(embeddings, expected, atol=1e-5)


@pytest.mark.parametrize("num_frames", [1, 5, 9])
@pytest.mark.parametrize("kind", ["wan2.1", "wan2.2"])
@torch.no_grad()
def test_a_quickened_encoder_gives_what_it_gave(tmp_path: Path, kind: VaeKind, num_frames: int) -> None:
    torch.set_num_threads(1)
    vae = load_vae(build_tiny_base(tmp_path, kind))
    video = torch.rand(2, 3, num_frames, 32, 48) * 2 - 1
    latents = encode_video(vae, video)
    assert torch.allclose(encode_video(quicken_encoder(vae), video), latents, atol=1e-4, rtol=1e-4)
    assert torch.equal(encode_video(vae, video), encode_video(vae, video))


@torch.no_grad()
def test_a_video_alone_is_what_it_is_in_a_batch(tmp_path: Path) -> None:
    """Torch takes another path for one small video, so it goes in twice."""
    torch.set_num_threads(1)
    vae = load_vae(build_tiny_base(tmp_path))
    video = torch.rand(3, 3, 5, 32, 48) * 2 - 1
    latents = encode_video(vae, video)
    assert torch.equal(encode_video(vae, video[1:2]), latents[1:2])
    assert torch.equal(decode_latents(vae, latents[2:]), decode_latents(vae, latents)[2:])
    assert decode_latents(vae, latents[2:]).shape == video[2:].shape


def test_pixels_survive_the_way_to_unit_range_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16, 1).expand(-1, -1, -1, -1, 3)
    assert torch.equal(to_pixels(to_unit_range(pixels)), pixels)
