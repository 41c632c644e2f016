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


CANVAS_BACKGROUND = 255  # of VACE's references
VAE_BACKGROUND = 128  # as the hole's fill of 0, so that transparent and masked look alike


@torch.no_grad()
def encode_photos(vae: Any, photos: npt.NDArray[np.uint8]) -> Tensor:
    """The VAE's normalised latents of photos, one frame each: (N, S, S, 3) uint8 RGB → (N, C, S/8, S/8) float32."""
    return encode_video(vae, to_unit_range(torch.from_numpy(photos)[:, None].to(vae.device)))[:, :, 0]


@torch.no_grad()
def encode_canvases(vae: Any, photos: npt.NDArray[np.uint8], height: int, width: int) -> Tensor:
    """The VAE's normalised latents of photos amid white frames, as VACE sees its references.

    Args:
        vae: An `AutoencoderKLWan`.
        photos: (N, S, S, 3) uint8 RGB, S = min(height, width).
        height, width: Of a frame, in pixels.

    Returns:
        (N, C, height/8, width/8), float32.
    """
    side = photos.shape[1]
    canvases = np.full((len(photos), height, width, 3), CANVAS_BACKGROUND, np.uint8)
    top, left = (height - side) // 2, (width - side) // 2
    canvases[:, top : top + side, left : left + side] = photos
    return encode_photos(vae, canvases)


class ClipFeatures:
    """The penultimate layer of the CLIP ViT-H/14 of Wan2.1-I2V-14B: 257 tokens of width 1280.

    Args:
        folder: A folder with `image_encoder` and `image_processor`, as in Wan2.1-I2V-14B's Diffusers layout.
        device: The device that it runs on.

    Attributes:
        dim: Width Dp of a token.
        tokens_per_view: Number L of tokens a photo.
    """

    background = 255  # as product photos on the web, which CLIP was trained on

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import CLIPImageProcessor, CLIPVisionModel

        encoder: Any = load_component(folder / "image_encoder", CLIPVisionModel)
        self._encoder = encoder.eval().requires_grad_(False).to(device)
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


class DinoFeatures:
    """The last layer of DINOv2: with the class token 257 tokens of 224 pixels, 768 wide for ViT-B/14.

    Args:
        folder: A `transformers` folder, with `config.json` and `preprocessor_config.json`.
        device: The device that it runs on.

    Attributes:
        background, dim, tokens_per_view: As `ClipFeatures` has them.
    """

    background = 255

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        from transformers import BitImageProcessor, Dinov2Model

        encoder: Any = load_component(folder, Dinov2Model)
        self._encoder = encoder.eval().requires_grad_(False).to(device)
        self._processor = load_component(folder, BitImageProcessor)
        config, crop = self._encoder.config, self._processor.crop_size
        self.dim = config.hidden_size
        self.tokens_per_view = (crop["height"] // config.patch_size) * (crop["width"] // config.patch_size) + 1

    @torch.no_grad()
    def __call__(self, photos: npt.NDArray[np.uint8]) -> Tensor:
        # The whole photo, where the processor would cut off a border: a cut-out product fills its photo.
        size = self._processor.crop_size
        inputs = self._processor(images=list(photos), size=dict(size), return_tensors="pt")
        pixels = inputs.pixel_values.to(self._encoder.device, self._encoder.dtype)
        return torch.cat([self._encoder(part).last_hidden_state for part in pixels.split(CLIP_BATCH)]).float()


PhotoNetwork = ClipFeatures | DinoFeatures


def load_photo_networks(
    image_features: str, image_encoder: str | None, dino_encoder: str | None, device: str = "cpu"
) -> dict[str, PhotoNetwork]:
    """The frozen networks behind `encode.image_features`, by the field of `Conditions` that each makes.

    Args:
        image_features: `vae` (none), `clip` or `clip_dino`.
        image_encoder: Folder of the CLIP.
        dino_encoder: Folder of DINOv2.
        device: The device that they run on.

    Raises:
        MissingInputError: A folder is not given, or not there; says how to get it.
    """
    networks: dict[str, PhotoNetwork] = {}
    if image_features != "vae":
        networks["image_tokens"] = ClipFeatures(require_image_encoder(image_encoder), device)
    if image_features == "clip_dino":
        networks["dino_tokens"] = DinoFeatures(require_dino_encoder(dino_encoder), device)
    return networks


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


def require_dino_encoder(folder: str | None) -> Path:
    """DINOv2's folder. Raises as `require_image_encoder`."""
    if folder is None or not Path(folder).is_dir():
        raise MissingInputError(
            "encode.dino_encoder is not set" if folder is None else f"the image encoder {folder} does not exist",
            "fetch DINOv2 with `hf download facebook/dinov2-base --local-dir models/dinov2-base` and set "
            "encode.dino_encoder to that folder",
        )
    return Path(folder)


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
