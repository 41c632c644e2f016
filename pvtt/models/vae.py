"""Wan's VAE: pixels ↔ normalised latents."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SPATIAL_FACTOR = 8
TEMPORAL_FACTOR = 4


def latent_frames(num_frames: int) -> int:
    """F' of a video of F = 4n+1 frames: the first latent frame holds one frame, the others four each."""
    return (num_frames - 1) // TEMPORAL_FACTOR + 1


def to_unit_range(pixels: Tensor) -> Tensor:
    """uint8 pixels (B, F, H, W, 3) → float32 (B, 3, F, H, W) in [-1, 1]."""
    return pixels.movedim(-1, 1).float() / 127.5 - 1


def to_pixels(video: Tensor) -> Tensor:
    """Float (B, 3, F, H, W) in [-1, 1] → uint8 pixels (B, F, H, W, 3)."""
    return ((video.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).movedim(1, -1)


def _moments(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    mean = torch.tensor(vae.config.latents_mean, dtype=like.dtype, device=like.device)
    std = torch.tensor(vae.config.latents_std, dtype=like.dtype, device=like.device)
    return mean.view(1, -1, 1, 1, 1), std.view(1, -1, 1, 1, 1)


def encode_video(vae: Any, video: Tensor, batch_size: int = 4) -> Tensor:
    """The posterior's mode, normalised by the VAE's `latents_mean` and `latents_std`.

    Args:
        vae: An `AutoencoderKLWan`.
        video: (B, 3, F, H, W) in [-1, 1], F = 4n+1.
        batch_size: Videos encoded at once; 4 of the tiny profile's stay in a core's cache.

    Returns:
        (B, C, F', h, w), float32, on the VAE's device.
    """
    parts = [vae.encode(part).latent_dist.mode().float() for part in video.to(vae.device, vae.dtype).split(batch_size)]
    latents = torch.cat(parts)
    mean, std = _moments(vae, latents)
    return (latents - mean) / std


def decode_latents(vae: Any, latents: Tensor, batch_size: int = 4) -> Tensor:
    """Normalised latents (B, C, F', h, w) → video (B, 3, F, H, W) in [-1, 1], float32."""
    mean, std = _moments(vae, latents.float())
    unnormalised = (latents.float() * std + mean).to(vae.dtype)
    return torch.cat([vae.decode(part, return_dict=False)[0].float() for part in unnormalised.split(batch_size)])
