"""What the product encoder sees of a photo: tokens of a frozen network.

A protocol with two real implementations: the VAE's own latents, which every base has and which carry colour and print
exactly, and the CLIP ViT-H/14 that Wan2.1-I2V ships.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pvtt.errors import MissingInputError, PvttError
from pvtt.media.arrays import Frame, Rgba
from pvtt.models.loading import load_component
from pvtt.models.vae import SPATIAL_FACTOR, encode_video, to_unit_range

PATCH = 2  # latents a side in one token
CLIP_BATCH = 16


class ImageFeatures(Protocol):
    """Photos → tokens.

    Attributes:
        photo_size: Side S in pixels that photos are given in.
        background: Grey value that transparent pixels get, 0–255.
        dim: Width Dp of a token.
        tokens_per_view: Number L of tokens a photo.
    """

    photo_size: int
    background: int
    dim: int
    tokens_per_view: int

    def __call__(self, photos: npt.NDArray[np.uint8]) -> Tensor:
        """(N, S, S, 3) uint8 RGB → (N, L, Dp) float32."""
        ...


class VaeFeatures:
    """The VAE's normalised latents of the photo, 2×2 of them a token of width 64.

    Args:
        vae: The base's `AutoencoderKLWan`.
        photo_size: Side S in pixels, a multiple of 16.
    """

    background = 128  # as the hole's fill of 0, so that transparent and masked look alike

    def __init__(self, vae: Any, photo_size: int) -> None:
        if photo_size % (SPATIAL_FACTOR * PATCH):
            raise PvttError(
                f"photo_size {photo_size} is no multiple of {SPATIAL_FACTOR * PATCH}",
                f"set encode.photo_size to {max(1, round(photo_size / 16)) * 16}",
            )
        self._vae = vae
        self.photo_size = photo_size
        self.dim = vae.config.z_dim * PATCH * PATCH
        self.tokens_per_view = (photo_size // (SPATIAL_FACTOR * PATCH)) ** 2

    @torch.no_grad()
    def __call__(self, photos: npt.NDArray[np.uint8]) -> Tensor:
        video = to_unit_range(torch.from_numpy(photos)[:, None].to(self._vae.device))  # one frame each
        latents = encode_video(self._vae, video)[:, :, 0]
        patches = latents.unflatten(2, (-1, PATCH)).unflatten(4, (-1, PATCH))  # (N, C, y, 2, x, 2)
        return patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


class ClipFeatures:
    """The penultimate layer of the CLIP ViT-H/14 of Wan2.1-I2V-14B: 257 tokens of width 1280.

    Args:
        folder: A folder with `image_encoder` and `image_processor`, as in Wan2.1-I2V-14B's Diffusers layout.
        photo_size: Side S in pixels that photos are given in; the processor resizes them to the network's own size.
    """

    background = 255  # as product photos on the web, which CLIP was trained on

    def __init__(self, folder: Path, photo_size: int) -> None:
        from transformers import CLIPImageProcessor, CLIPVisionModel

        self._encoder = load_component(folder / "image_encoder", CLIPVisionModel).eval().requires_grad_(False)
        self._processor = load_component(folder / "image_processor", CLIPImageProcessor)
        config = self._encoder.config
        self.photo_size = photo_size
        self.dim = config.hidden_size
        self.tokens_per_view = (config.image_size // config.patch_size) ** 2 + 1

    @torch.no_grad()
    def __call__(self, photos: npt.NDArray[np.uint8]) -> Tensor:
        pixels = self._processor(images=list(photos), return_tensors="pt").pixel_values
        pixels = pixels.to(self._encoder.device, self._encoder.dtype)
        outputs = [self._encoder(part, output_hidden_states=True) for part in pixels.split(CLIP_BATCH)]
        return torch.cat([output.hidden_states[-2] for output in outputs]).float()


def flatten_photo(photo: Rgba, size: int, background: int) -> Frame:
    """Resize a square RGBA photo and put it on a grey background.

    Colours are weighted with alpha before they are resized, so that what lies under transparent pixels stays out.

    Args:
        photo: (S, S, 4) uint8 RGBA.
        size: Side of the result.
        background: Grey value, 0–255.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    alpha = photo[..., 3:].astype(np.float32) / 255
    flat = photo[..., :3] * alpha + background * (1 - alpha)
    interpolation = cv2.INTER_AREA if size < len(photo) else cv2.INTER_CUBIC
    resized = cv2.resize(flat, (size, size), interpolation=interpolation)
    return np.asarray(resized.round().clip(0, 255), dtype=np.uint8)


def load_image_features(kind: str, vae: Any, image_encoder: str | None, photo_size: int) -> ImageFeatures:
    """The network that turns photos into tokens.

    Args:
        kind: `vae` or `clip`.
        vae: The base's VAE, for `vae`.
        image_encoder: Local folder with `image_encoder` and `image_processor`, for `clip`.
        photo_size: Side in pixels that photos are given in.

    Raises:
        MissingInputError: `clip` without its folder.
    """
    if kind == "vae":
        return VaeFeatures(vae, photo_size)
    return ClipFeatures(require_image_encoder(image_encoder), photo_size)


def require_image_encoder(folder: str | None) -> Path:
    """The folder with `image_encoder` and `image_processor`.

    Raises:
        MissingInputError: It is not set, or not there.
    """
    if folder is None or not Path(folder).is_dir():
        raise MissingInputError(
            "encode.image_encoder is not set" if folder is None else f"the image encoder {folder} does not exist",
            "fetch Wan2.1-I2V-14B's CLIP with `hf download Wan-AI/Wan2.1-I2V-14B-480P-Diffusers --include 'image_*/*' "
            "--local-dir models/clip-vit-h-14` and set encode.image_encoder to that folder",
        )
    return Path(folder)
