from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import (
    BitImageProcessor,
    CLIPImageProcessor,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
)

from pvtt.errors import MissingInputError
from pvtt.models.conditioning.photo_features import (
    ClipFeatures,
    encode_photos,
    flatten_photo,
    load_photo_networks,
    require_image_encoder,
)
from pvtt.models.conditioning.product_tokens import latent_tokens
from tests.tiny_wan import tiny_clip, tiny_vae


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def photos(number: int = 2, size: int = 32) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (number, size, size, 3), dtype=np.uint8)


def test_vae_tokens_are_the_latents_of_2x2_cells_in_rows() -> None:
    vae = tiny_vae()
    tokens = latent_tokens(encode_photos(vae, photos())[None])[0]
    assert tokens.shape == (2, 4, 64)
    pixels = torch.from_numpy(photos()).permute(0, 3, 1, 2).float()[:, :, None] / 127.5 - 1
    latents = vae.encode(pixels).latent_dist.mode()[:, :, 0]  # a new VAE's latents_mean and std are Wan's
    mean = torch.tensor(vae.config.latents_mean).view(1, 16, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(1, 16, 1, 1)
    expected = ((latents - mean) / std)[:, :, 2:4, 0:2].flatten(1)  # second row, first column
    assert torch.allclose(tokens[:, 2], expected, atol=1e-5)


def test_clip_tokens_are_the_penultimate_layer_with_the_class_token(tmp_path: Path) -> None:
    features = ClipFeatures(require_image_encoder(str(tiny_clip(tmp_path))))
    tokens = features(photos())
    assert tokens.shape == (2, features.tokens_per_view, features.dim) == (2, 5, 16)
    encoder = CLIPVisionModel.from_pretrained(tmp_path / "image_encoder")
    pixels = CLIPImageProcessor.from_pretrained(tmp_path / "image_processor")(list(photos()), return_tensors="pt")
    with torch.no_grad():
        layers = encoder(pixels.pixel_values, output_hidden_states=True).hidden_states
    assert len(layers) == 4
    assert torch.allclose(tokens, layers[2], atol=1e-5)


def test_clip_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    for folder in (None, str(tmp_path / "missing")):
        with pytest.raises(MissingInputError) as error:
            require_image_encoder(folder)
        assert "hf download" in str(error.value.hint)


def tiny_dino(folder: Path) -> Path:
    """Random weights in the layout of facebook/dinov2-base."""
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14)
    Dinov2Model(config).save_pretrained(folder)
    size = {"height": 28, "width": 28}
    BitImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


def test_dino_tokens_are_the_last_layer_of_the_whole_photo(tmp_path: Path) -> None:
    tiny_clip(tmp_path)
    networks = load_photo_networks("clip_dino", str(tmp_path), str(tiny_dino(tmp_path / "dino")))
    assert list(networks) == ["image_tokens", "dino_tokens"]
    features = networks["dino_tokens"]
    tokens = features(photos())
    assert tokens.shape == (2, features.tokens_per_view, features.dim) == (2, 5, 16)
    pixels = torch.from_numpy(photos(size=32)).permute(0, 3, 1, 2)
    border = pixels.clone()
    border[:, :, 2:-2, 2:-2] = 0
    changed = features((pixels - border).permute(0, 2, 3, 1).numpy())
    assert not torch.allclose(tokens, changed)  # the border counts
    network = Dinov2Model.from_pretrained(tmp_path / "dino")
    processor = BitImageProcessor.from_pretrained(tmp_path / "dino")
    inputs = processor(list(photos()), size={"height": 28, "width": 28}, return_tensors="pt")
    with torch.no_grad():
        assert torch.allclose(tokens, network(inputs.pixel_values).last_hidden_state, atol=1e-5)


def test_dino_without_weights_says_how_to_get_them(tmp_path: Path) -> None:
    tiny_clip(tmp_path)
    for folder in (None, str(tmp_path / "missing")):
        with pytest.raises(MissingInputError) as error:
            load_photo_networks("clip_dino", str(tmp_path), folder)
        assert "hf download facebook/dinov2-base" in str(error.value.hint)


def test_transparent_pixels_become_background_and_do_not_bleed() -> None:
    photo = np.zeros((64, 64, 4), np.uint8)
    photo[..., 1] = 255  # green lies under the transparent part
    photo[:, 33:] = (200, 0, 0, 255)
    flat = flatten_photo(photo, 32, background=128)
    assert flat.shape == (32, 32, 3)
    assert (flat[:, :16] == 128).all()
    assert (flat[:, 17:] == (200, 0, 0)).all()
    assert flat[0, 16].tolist() == [164, 64, 64]  # half of each
