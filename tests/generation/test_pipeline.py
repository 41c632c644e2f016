from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import DiffusionPipeline

from pvtt.encoding.encode import encode_sample, load_encoders
from pvtt.encoding.photos import read_photo
from pvtt.encoding.windows import load_window
from pvtt.errors import MissingInputError, PvttError
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.camera import CameraShift
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.contracts import Contracts, MaskContract
from pvtt.models.place import PlaceEdit
from pvtt.models.sampling import SamplingSettings, initial_noise
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.encode import MaskParams
from tests.encoding.samples import disc_frames, tiny_encode_params, write_sample
from tests.tiny_wan import VaeKind, build_tiny_base, build_tiny_pipeline

PARAMS = tiny_encode_params()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def build(folder: Path, vae: VaeKind = "wan2.2") -> ProductVideoPipeline:
    """A pipeline whose adapter does something, saved into `folder / "model"`."""
    base = build_tiny_base(folder / "base", vae)
    pipeline = build_tiny_pipeline(base, PARAMS)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder / "model")
    return pipeline


@pytest.mark.parametrize("vae", ["wan2.1", "wan2.2"])
def test_a_saved_folder_loads_and_generates_the_same(tmp_path: Path, vae: VaeKind) -> None:
    pipeline = build(tmp_path, vae)
    loaded = ProductVideoPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(loaded.transformer, ProductVideoTransformer)
    assert loaded.contracts == Contracts.from_params(PARAMS)
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
        (frames,) = output.frames
        return np.asarray(frames)

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
    encoders = load_encoders(tmp_path / "base", "vae", None)
    tensors, _ = encode_sample(entry.model_copy(update={"split": "test"}), tmp_path, PARAMS, 0, encoders, ["collage"])
    assert not torch.equal(tensors["collage_latents"], tensors["masked_latents"])
    window = load_window(entry, tmp_path, PARAMS)
    noise = initial_noise((16, 3, 4, 6), [0])
    by_pixels = pipeline(
        window.pixels, window.mask, [read_photo(tmp_path / p) for p in entry.photo_paths], entry.caption,
        num_inference_steps=2, latents=noise, output_type="latent",
    )  # fmt: skip
    conditions = Conditions(
        mask=tensors["mask"],
        masked_latents=tensors["masked_latents"],
        photo_latents=tensors["photo_latents"],
        view_mask=torch.ones(1, 3, dtype=torch.bool),
        text=tensors["text"][None],
        collage_latents=tensors["collage_latents"],
        collage_mask=tensors["collage_mask"],
    )
    by_tensors = pipeline.generate(conditions, noise, SamplingSettings(2, product_guidance=3.0))
    assert torch.allclose(by_pixels.latents, by_tensors, atol=1e-3)


def test_a_batch_gives_what_each_of_its_videos_gives_alone(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    frames, masks = disc_frames(9, (200, 40, 40))
    others, other_masks = disc_frames(9, (40, 40, 200))
    photos = [read_photo(tmp_path / path) for path in write_sample(tmp_path).photo_paths]
    videos, holes, products = [frames, others], [masks > 127, other_masks > 127], [photos, photos[:1]]

    def noise_of(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    together = pipeline(videos, holes, products, ["a red disc", ""], num_inference_steps=2,
                        generator=[noise_of(0), noise_of(1)])  # fmt: skip
    assert together.frames is not None
    assert together.latents.shape == (2, 16, 3, 8, 12)
    for place, (video, hole, product, prompt) in enumerate(
        zip(videos, holes, products, ["a red disc", ""], strict=True)
    ):
        alone = pipeline(video, hole, product, prompt, num_inference_steps=2, generator=noise_of(place))
        assert torch.allclose(alone.latents[0], together.latents[place], atol=1e-3)
        assert alone.frames is not None
        difference = np.asarray(alone.frames[0]).astype(int) - np.asarray(together.frames[place])
        assert abs(difference).max() <= 1


def test_one_template_serves_several_products_and_prompts(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    frames, masks = disc_frames(9, (200, 40, 40))
    photos = [read_photo(tmp_path / path) for path in write_sample(tmp_path).photo_paths]
    output = pipeline(
        frames, masks > 127, [photos[:2], photos[2:], []], num_inference_steps=1,
        generator=[torch.Generator().manual_seed(0) for _ in range(3)], output_type="latent",
    )  # fmt: skip
    assert output.frames is None
    assert all(not torch.equal(output.latents[0], other) for other in output.latents[1:])


def test_camera_and_place_act_without_training_and_off_they_change_no_bit(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    frames, masks = disc_frames(9, (200, 40, 40))
    photos = [read_photo(tmp_path / path) for path in write_sample(tmp_path).photo_paths]

    def latents(prompt: str = "a red disc", **options: Any) -> torch.Tensor:
        return pipeline(
            frames, masks > 127, photos, prompt, num_inference_steps=4, output_type="latent",
            generator=torch.Generator().manual_seed(0), **options,
        ).latents  # fmt: skip

    plain = latents()
    assert torch.equal(latents(camera=CameraShift(), place=PlaceEdit(0.0, word="disc")), plain)
    in_the_hole, with_word, aside, moved = (
        latents(**options)
        for options in (
            {"place": PlaceEdit(4.0)},
            {"place": PlaceEdit(4.0, word="disc")},
            {"place": PlaceEdit(4.0, boxes=((0, 0, 24, 24), (60, 40, 90, 60)))},
            {"camera": CameraShift(right=16)},
        )
    )
    different = [plain, in_the_hole, with_word, aside, moved]
    assert all(not torch.equal(a, b) for place, a in enumerate(different) for b in different[:place])
    with pytest.raises(PvttError, match="has no 'ring'"):
        latents(place=PlaceEdit(4.0, word="ring"))


def test_pictures_come_back_as_pictures(tmp_path: Path) -> None:
    frames, masks = disc_frames(9, (200, 40, 40))
    output = build(tmp_path)(frames, masks > 127, num_inference_steps=1, output_type="pil")
    assert output.frames is not None
    assert [picture.size for picture in output.frames[0]] == [(96, 64)] * 9


def test_another_transformer_shares_all_other_parts(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    other = pipeline.with_transformer(ProductVideoTransformer.from_config(pipeline.transformer.config))
    assert other.transformer is not pipeline.transformer
    assert other.vae is pipeline.vae
    assert other.config.photo_size == 32
    assert other.mask_contract == pipeline.mask_contract


def test_what_does_not_fit_the_batch_is_named(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    frames, masks = disc_frames(9, (200, 40, 40))
    with pytest.raises(PvttError, match=r"latents are of shape \(1, 16, 3, 4, 6\)"):
        pipeline(frames, masks > 127, latents=torch.zeros(1, 16, 3, 4, 6))
    with pytest.raises(PvttError, match="1 generators for 2 videos"):
        pipeline([frames, frames], masks > 127, generator=[torch.Generator()])
    with pytest.raises(PvttError, match="output_type is 'tensor'"):
        pipeline(frames, masks > 127, output_type="tensor")


def test_stock_diffusers_loads_the_folder_only_if_its_class_is_trusted(tmp_path: Path) -> None:
    saved = build(tmp_path)
    with pytest.raises(ValueError, match="trust_remote_code=True"):
        DiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
    loaded = DiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True, trust_remote_code=True)
    assert type(loaded) is ProductVideoPipeline
    assert loaded.mask_contract == saved.mask_contract
    frames, masks = disc_frames(9, (200, 40, 40))
    first, second = (
        pipe(frames, masks > 127, num_inference_steps=1, generator=torch.Generator().manual_seed(0)).latents
        for pipe in (saved, loaded)
    )
    assert torch.allclose(first, second, atol=1e-4)


def test_no_code_of_a_folder_is_run_by_our_own_loading(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "model" / "pipeline.py").write_text("raise RuntimeError('run')\n")
    assert type(ProductVideoPipeline.from_pretrained(tmp_path / "model")) is ProductVideoPipeline
    assert type(ConditionedPipeline.from_pretrained(tmp_path / "model")) is ConditionedPipeline


def test_the_package_offers_it_without_loading_torch() -> None:
    code = """
import sys, pvtt
assert "torch" not in sys.modules
assert pvtt.ProductVideoPipeline.__module__ == "pvtt.generation.pipeline"
from pvtt import ProductVideoPipeline
assert not hasattr(pvtt, "Nothing")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_mask_contract_is_refused_field_by_field(tmp_path: Path) -> None:
    pipeline = build(tmp_path)
    frames, masks = disc_frames(9, (255, 0, 0))
    other = MaskContract.from_params(PARAMS.model_copy(update={"mask": MaskParams(fill=-1.0)}))
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
