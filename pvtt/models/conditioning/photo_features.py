"""What a model sees of a photo.

The VAE's own latents, which every base can make and which carry colour and print exactly, and, where it is asked for,
the tokens of the CLIP ViT-H/14 that Wan2.1-I2V ships.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pvtt.errors import MissingInputError
from pvtt.media.arrays import Frame, Rgba
from pvtt.models.loading import load_component
from pvtt.models.vae import encode_video, to_unit_range

CLIP_BATCH = 16


VAE_BACKGROUND = 128  # as the hole's fill of 0, so that transparent and masked look alike


@torch.no_grad()
def encode_photos(vae: Any, photos: npt.NDArray[np.uint8]) -> Tensor:
    """The VAE's normalised latents of photos, one frame each: (N, S, S, 3) uint8 RGB → (N, C, S/8, S/8) float32."""
    return encode_video(vae, to_unit_range(torch.from_numpy(photos)[:, None].to(vae.device)))[:, :, 0]


class ClipFeatures:
    """The penultimate layer of the CLIP ViT-H/14 of Wan2.1-I2V-14B: 257 tokens of width 1280.

    Args:
        folder: A folder with `image_encoder` and `image_processor`, as in Wan2.1-I2V-14B's Diffusers layout.

    Attributes:
        dim: Width Dp of a token.
        tokens_per_view: Number L of tokens a photo.
    """

    background = 255  # as product photos on the web, which CLIP was trained on

    def __init__(self, folder: Path) -> None:
        from transformers import CLIPImageProcessor, CLIPVisionModel

        self._encoder = load_component(folder / "image_encoder", CLIPVisionModel).eval().requires_grad_(False)
        self._processor = load_component(folder / "image_processor", CLIPImageProcessor)
        config = self._encoder.config
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
