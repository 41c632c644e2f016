"""A base's VAE, Wan's or CogVideoX's: pixels ↔ normalised latents."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SPATIAL_FACTOR = 8
TEMPORAL_FACTOR = 4
BATCH_SIZE = 2  # videos in the VAE at once; more of the tiny profile's do not stay in a core's cache
# Torch takes a slow path on a CPU where a convolution's input has one sample and fewer channels · frames · rows: one
# video of the tiny profile's takes longer than two.
SLOW_BELOW = 20_480
CHUNK_FRAMES = TEMPORAL_FACTOR + 2  # frames that a convolution sees at once: a latent frame's, and two before


def latent_frames(num_frames: int) -> int:
    """F' of a video of F = 4n+1 frames: the first latent frame holds one frame, the others four each."""
    return (num_frames - 1) // TEMPORAL_FACTOR + 1


def to_unit_range(pixels: Tensor) -> Tensor:
    """uint8 pixels (B, F, H, W, 3) → float32 (B, 3, F, H, W) in [-1, 1]."""
    return pixels.movedim(-1, 1).float() / 127.5 - 1


def to_pixels(video: Tensor) -> Tensor:
    """Float (B, 3, F, H, W) in [-1, 1] → uint8 pixels (B, F, H, W, 3)."""
    return ((video.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).movedim(1, -1)


def is_wans(vae: Any) -> bool:
    """Whether a VAE is Wan's: CogVideoX's says one factor for all of its latents."""
    return hasattr(vae.config, "z_dim")


def _moments(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    if not is_wans(vae):
        scale = torch.tensor(vae.config.scaling_factor, dtype=like.dtype, device=like.device)
        return torch.zeros_like(scale), 1 / scale
    mean = torch.tensor(vae.config.latents_mean, dtype=like.dtype, device=like.device)
    std = torch.tensor(vae.config.latents_std, dtype=like.dtype, device=like.device)
    return mean.view(1, -1, 1, 1, 1), std.view(1, -1, 1, 1, 1)


def encode_video(vae: Any, video: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The posterior's mode, normalised by the VAE's `latents_mean` and `latents_std`.

    Args:
        vae: An `AutoencoderKLWan`, or an `AutoencoderKLCogVideoX` with its `scaling_factor`.
        video: (B, 3, F, H, W) in [-1, 1], F = 4n+1.
        batch_size: Videos encoded at once.

    Returns:
        (B, C, F', h, w), float32, on the VAE's device.
    """
    latents = _in_batches(
        lambda part: vae.encode(part).latent_dist.mode(),
        video.to(vae.device, vae.dtype),
        batch_size,
        _is_slow_alone(vae, video.shape[-2]),
    )
    mean, std = _moments(vae, latents)
    return (latents - mean) / std


def decode_latents(vae: Any, latents: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """Normalised latents (B, C, F', h, w) → video (B, 3, F, H, W) in [-1, 1], float32.

    CogVideoX's VAE takes an odd number of latent frames for a video that starts with one frame, and an even one for its
    continuation. So an even number gets its last again; the frames that come of it are left out.
    """
    mean, std = _moments(vae, latents.float())
    unnormalised = (latents.float() * std + mean).to(vae.dtype)
    if not is_wans(vae) and latents.shape[2] % 2 == 0:
        unnormalised = torch.cat([unnormalised, unnormalised[:, :, -1:]], dim=2)
    decoded = _in_batches(
        lambda part: vae.decode(part, return_dict=False)[0],
        unnormalised,
        batch_size,
        _is_slow_alone(vae, SPATIAL_FACTOR * latents.shape[-2]),
    )
    return decoded[:, :, : (latents.shape[2] - 1) * TEMPORAL_FACTOR + 1]


def quicken_encoder(vae: Any) -> Any:
    """Make a frozen VAE's encoder a quarter to a third cheaper on a CPU; what it gives changes in the last bits.

    The first frame has only zeros before it, which two thirds of each causal convolution are spent on: it is convolved
    in two dimensions. The others get weights in the layout that they are computed in. Other devices are left alone.

    Args:
        vae: An `AutoencoderKLWan`, which is changed in place; another is left as it is.

    Returns:
        The same.
    """
    from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d

    if vae.device.type != "cpu" or not is_wans(vae):
        return vae
    for module in vae.encoder.modules():
        if isinstance(module, WanCausalConv3d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last_3d)
            module.forward = partial(_causal_convolution, module)
    return vae


def _causal_convolution(conv: Any, frames: Tensor, before: Tensor | None = None) -> Tensor:
    """What `conv`, a `WanCausalConv3d`, gives for `frames`, (B, C, F, H, W), and those that came `before`."""
    num_before = conv.kernel_size[0] - 1
    if before is not None or frames.shape[2] != 1 or num_before == 0 or conv.stride[0] != 1:
        result: Tensor = type(conv).forward(conv, frames, before)
        return result
    columns, _, rows, *_ = conv._padding
    weight = conv.weight[:, :, -1].contiguous(memory_format=torch.channels_last)
    return functional.conv2d(frames[:, :, 0], weight, conv.bias, conv.stride[1:], (rows, columns))[:, :, None]


def _in_batches(work: Callable[[Tensor], Tensor], given: Tensor, batch_size: int, is_slow_alone: bool) -> Tensor:
    """What `work` makes of all samples of `given`, (B, …), float32.

    One that would be slow alone goes in with those before it, or twice.
    """
    parts = list(given.split(batch_size))
    if is_slow_alone and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:] if len(parts) > 1 else parts * 2)]
    return torch.cat([work(part).float() for part in parts])[: len(given)]


def _is_slow_alone(vae: Any, num_rows: int) -> bool:
    """Whether a CPU takes longer for one video of so many rows of pixels than for two: see `SLOW_BELOW`."""
    if not is_wans(vae):
        return False
    rows = num_rows // (vae.config.patch_size or 1)
    return bool(vae.device.type == "cpu" and vae.config.base_dim * CHUNK_FRAMES * rows < SLOW_BELOW)
