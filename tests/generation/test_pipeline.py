from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from pvtt.encoding.encode import encode_sample, load_encoders, read_photo
from pvtt.encoding.windows import load_window
from pvtt.errors import MissingInputError, PvttError
from pvtt.generation.pipeline import ProductVideoPipeline, check_inputs
from pvtt.models.mask_contract import MaskContract
from pvtt.models.sampling import initial_noise
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.encode import MaskParams
from tests.encoding.samples import disc_frames, tiny_encode_params, write_sample
from tests.tiny_wan import VaeKind, build_tiny_base

PARAMS = tiny_encode_params()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def build(folder: Path, vae: VaeKind = "wan2.2") -> ProductVideoPipeline:
    """A pipeline whose adapter does something, saved into `folder / "model"`."""
    base = build_tiny_base(folder / "base", vae)
    transformer = ProductVideoTransformer.from_base(
        base / "transformer", product_dim=64, tokens_per_view=4, num_product_tokens=6, product_heads=2
    )
    torch.manual_seed(2)
    for name, parameter in transformer.named_parameters():
        if name.endswith("product_gate") or name.startswith("patch_embedding.condition"):
            torch.nn.init.normal_(parameter, std=0.5)
    pipeline = ProductVideoPipeline.from_base(base, transformer.eval(), PARAMS)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder / "model")
    return pipeline


@pytest.mark.parametrize("vae", ["wan2.1", "wan2.2"])
def test_a_saved_folder_loads_and_generates_the_same(tmp_path: Path, vae: VaeKind) -> None:
    pipeline = build(tmp_path, vae)
    loaded = ProductVideoPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(loaded.transformer, ProductVideoTransformer)
    assert loaded.mask_contract == MaskContract.from_params(PARAMS.mask)
    assert (loaded.config.image_features, loaded.config.photo_size, loaded.config.text_tokens) == ("vae", 32, 12)

    entry = write_sample(tmp_path)
    window = load_window(entry, tmp_path, PARAMS)
    photos = [read_photo(tmp_path / path) for path in entry.photo_paths]

    def generate(pipe: ProductVideoPipeline, pictures: list[Any]) -> npt.NDArray[np.uint8]:
        output = pipe(
            window.pixels, window.mask, pictures, "a red disc", num_inference_steps=2,
            generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        assert output.frames is not None
        return output.frames

    frames = generate(pipeline, photos)
    assert frames.shape == window.pixels.shape
    assert frames.dtype == np.uint8
    assert (frames[~window.mask] == window.pixels[~window.mask]).all()
    assert (frames[window.mask] != window.pixels[window.mask]).any()
    assert (generate(loaded, photos) == frames).all()
    assert (generate(loaded, []) != frames).any()  # without product


def test_pixels_in_equal_encoded_tensors_in(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    entry = write_sample(tmp_path)
    encoders = load_encoders(tmp_path / "base", "vae", None, 32)
    tensors, _ = encode_sample(entry.model_copy(update={"split": "test"}), tmp_path, PARAMS, 0, encoders)
    window = load_window(entry, tmp_path, PARAMS)
    noise = initial_noise((16, 3, 4, 6), [0])
    options: dict[str, Any] = {"num_inference_steps": 2, "latents": noise, "output_type": "latent"}
    by_pixels = pipeline(
        window.pixels, window.mask, [read_photo(tmp_path / p) for p in entry.photo_paths], entry.caption, **options
    )
    by_tensors = pipeline(
        window.pixels,
        window.mask,
        product_tokens=tensors["product_tokens"][0],
        prompt_embeds=tensors["text"],
        **options,
    )
    assert torch.allclose(by_pixels.latents, by_tensors.latents, atol=1e-3)


def test_another_mask_contract_is_refused_field_by_field(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    frames, masks = disc_frames(9, (255, 0, 0))
    other = MaskContract.from_params(MaskParams(fill=-1.0))
    with pytest.raises(PvttError, match=r"fill -1\.0, not 0\.0"):
        pipeline(frames, masks > 127, mask_contract=other)


def test_a_folder_without_contract_or_without_a_part_is_refused(tmp_path: Path) -> None:
    build(tmp_path)
    model = tmp_path / "model"
    contract = (model / "mask_contract.json").read_text()
    (model / "mask_contract.json").unlink()
    with pytest.raises(MissingInputError, match=r"no mask_contract\.json"):
        ProductVideoPipeline.from_pretrained(model)
    (model / "mask_contract.json").write_text(json.dumps(json.loads(contract) | {"polarity": "zero_is_generated"}))
    with pytest.raises(PvttError, match="polarity"):
        ProductVideoPipeline.from_pretrained(model)
    (model / "vae").rename(model / "elsewhere")
    with pytest.raises(MissingInputError, match="lacks vae"):
        ProductVideoPipeline.from_pretrained(model)
    with pytest.raises(MissingInputError, match="does not exist"):
        ProductVideoPipeline.from_pretrained(tmp_path / "nowhere")


def test_nonsense_inputs_are_named() -> None:
    video = np.zeros((9, 32, 48, 3), np.uint8)
    mask = np.zeros((9, 32, 48), bool)
    check_inputs(video, mask)
    cases: tuple[tuple[str, Any, Any], ...] = (
        ("8 frames is not 4n", video[:8], mask[:8]),
        ("40×32 is no multiple of 16", video[:, :, :40], mask[:, :, :40]),
        ("mask is of shape", video, mask[:5]),
        ("mask has values 0, 255", video, np.where(mask | (np.arange(48) < 9), 255, 0)),
        ("video is float32", video.astype(np.float32), mask),
        ("looks reversed", video, ~np.pad(np.ones((9, 16, 24), bool), ((0, 0), (8, 8), (12, 12)))),
    )
    for message, wrong_video, wrong_mask in cases:
        with pytest.raises(PvttError, match=message):
            check_inputs(wrong_video, wrong_mask)
