"""The collage that the model is given: the photo in the hole and nothing of it elsewhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pvtt.encoding.collage import Collage, HoleShape, collage
from pvtt.encoding.collage_tensors import collage_fields, collage_video
from pvtt.encoding.encode import encode_sample, load_encoders
from pvtt.encoding.masks import pack_mask
from pvtt.encoding.photos import read_photos
from pvtt.encoding.windows import load_window
from pvtt.models.vae import encode_video
from pvtt.params.encode import EncodeParams
from pvtt.records.dataset import DatasetEntry
from tests.encoding.samples import tiny_encode_params, write_sample
from tests.tiny_wan import build_tiny_base

FILL = 0.0


def test_it_is_the_masked_template_with_the_photo_in_the_hole(tmp_path: Path) -> None:
    """Against the same picture put together by hand."""
    vae = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None).vae
    template = np.full((5, 32, 48, 3), 80, np.uint8)
    hole = np.zeros((5, 32, 48), np.bool_)
    hole[:, 8:24, 16:40] = True
    layer = np.zeros((5, 32, 48, 4), np.float32)
    layer[:, 10:30, 20:30] = [200, 40, 40, 1]  # reaches six rows beyond the hole
    expected = np.where(hole[..., None], 127.5, template)
    expected[:, 10:24, 20:30] = [200, 40, 40]
    video = (torch.from_numpy(expected).float() / 127.5 - 1).movedim(-1, 0)[None]
    with torch.no_grad():
        drawn = encode_video(vae, collage_video(Collage(layer), template, hole, FILL))[0]
        tensors = collage_fields(Collage(layer), hole, drawn, torch.zeros(16, 2, 4, 6))
        wanted = encode_video(vae, video)[0]
    assert torch.allclose(tensors["collage_latents"], wanted, atol=1e-4)
    inside = np.zeros_like(hole)
    inside[:, 10:24, 20:30] = True
    assert torch.equal(tensors["collage_mask"], pack_mask(inside))


def test_an_empty_collage_is_the_masked_template(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    entry = write_sample(tmp_path).model_copy(update={"split": "test"})
    for path in entry.photo_paths:
        (tmp_path / path).write_bytes(_transparent())
    tensors, _ = encode_sample(entry, tmp_path, tiny_encode_params(), 0, encoders, ["collage"])
    assert torch.equal(tensors["collage_latents"], tensors["masked_latents"])
    assert not tensors["collage_mask"].any()


def test_every_variant_has_its_own_colours_hole_and_photos(tmp_path: Path) -> None:
    encoders = load_encoders(build_tiny_base(tmp_path / "base"), "vae", None)
    entry, params = write_sample(tmp_path), tiny_encode_params()
    tensors, _ = encode_sample(entry, tmp_path, params, 0, encoders, ["collage"])
    bare, _ = encode_sample(entry, tmp_path, params, 0, encoders)
    assert set(tensors) - set(bare) == {"collage_latents", "collage_mask"}
    assert tensors["collage_mask"].shape == tensors["mask"].shape
    assert (tensors["collage_mask"] <= tensors["mask"]).all()  # never outside the hole
    assert tensors["collage_mask"].flatten(1).any(dim=1).all()
    moved = (tensors["collage_latents"] - tensors["masked_latents"]).flatten(1).abs().amax(dim=1)
    assert (moved > 0.1).all()
    assert _first_variant(entry, tmp_path, params, encoders.vae, tensors) < 1e-3


def _first_variant(
    entry: DatasetEntry, root: Path, params: EncodeParams, vae: Any, tensors: dict[str, torch.Tensor]
) -> float:
    """The greatest difference to a collage of what an evaluation sees."""
    window = load_window(entry, root, params)
    photos = read_photos(entry, root, params.max_photos)
    made = collage(window.template, window.mask, photos, HoleShape("grid", params.mask.dilation))
    assert (made.region & window.product).sum() > 0.6 * window.product.sum()
    with torch.no_grad():
        drawn = encode_video(vae, collage_video(made, window.template, window.mask, FILL))[0]
    again = collage_fields(made, window.mask, drawn, tensors["masked_latents"][0])
    return float((again["collage_latents"] - tensors["collage_latents"][0]).abs().max())


def _transparent() -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (64, 64)).save(file, "PNG")
    return file.getvalue()


def test_it_is_drawn_over_a_video_without_losing_its_edge() -> None:
    layer = np.zeros((1, 4, 4, 4), np.float32)
    layer[0, 1, 1] = [100, 0, 0, 0.5]  # half of a pixel of (200, 0, 0)
    drawn = Collage(layer).over(np.full((1, 4, 4, 3), 50, np.uint8))
    assert drawn[0, 1, 1].tolist() == [125, 25, 25]
    assert (drawn[0, 0] == 50).all()
