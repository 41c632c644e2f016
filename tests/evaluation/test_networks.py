"""LPIPS, CLIP-I, DINO and FVD through their real classes, on small random weights in local files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor

from pvtt.errors import PvttError
from pvtt.evaluation.metrics.consistency import TextEmbedder
from pvtt.evaluation.metrics.fvd import VideoEmbedder, frechet_distance
from pvtt.evaluation.metrics.perceptual import Lpips
from pvtt.evaluation.metrics.similarity import ImageEmbedder, crop_product, on_white, product_similarity
from tests.evaluation.clips import moving_box, noisy


def test_lpips_of_a_local_trunk(alexnet: Path) -> None:
    lpips = Lpips.load(alexnet)
    truth, region = moving_box(num_frames=2)
    distances = [lpips(noisy(truth, level), truth) for level in (0, 10, 40)]
    assert distances[0] == 0
    assert distances == sorted(distances)
    outside = np.where(region[..., None], truth, 0)
    whole, product = lpips(outside, truth), lpips(outside, truth, region)
    assert whole is not None
    assert product is not None
    assert product < whole


def test_lpips_reads_the_named_weights(alexnet: Path) -> None:
    state = torch.load(alexnet, weights_only=True)
    assert torch.equal(Lpips.load(alexnet)._network.net.slice2[0 + 1].weight, state["features.3.weight"])


def test_a_wrong_lpips_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.pth"
    torch.save({"weight": torch.zeros(1)}, path)
    with pytest.raises(PvttError, match="not torchvision's AlexNet"):
        Lpips.load(path)


@pytest.mark.parametrize("kind", ["clip", "dino"])
def test_similarity_is_a_cosine(kind: str, request: pytest.FixtureRequest) -> None:
    embedder = ImageEmbedder.load(request.getfixturevalue(f"{kind}_folder"), kind)  # type: ignore[arg-type]
    truth, region = moving_box(num_frames=2)
    vectors = embedder(list(truth))
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(2))
    photos = [np.dstack([crop, np.full(crop.shape[:2], 255, np.uint8)]) for crop in crop_product(truth, region)]
    same = product_similarity(truth, region, photos, embedder)
    other, _ = moving_box(((20, 60, 200), (10, 200, 90)), num_frames=2)
    different = product_similarity(other, region, photos, embedder)
    assert same is not None
    assert different is not None
    assert same > different
    assert same == pytest.approx(1, abs=0.05)
    assert product_similarity(truth, np.zeros_like(region), photos, embedder) is None


def test_the_text_half_of_a_whole_clip_is_transformers(whole_clip_folder: Path) -> None:
    from transformers import CLIPModel

    text = TextEmbedder.load(whole_clip_folder)
    assert text is not None
    whole = CLIPModel.from_pretrained(whole_clip_folder).eval()
    start, end = whole.config.text_config.bos_token_id, whole.config.text_config.eos_token_id
    vocabulary = json.loads((whole_clip_folder / "vocab.json").read_text())
    ids = torch.tensor([[start, *(vocabulary[piece] for piece in ("r", "e", "d</w>", "r", "i", "n", "g</w>")), end]])
    with torch.inference_mode():
        hidden = whole.text_model(input_ids=ids).pooler_output
        expected = torch.nn.functional.normalize(whole.text_projection(hidden)[0], dim=-1)
    torch.testing.assert_close(text("red ring"), expected)
    assert not torch.allclose(text("blue box"), expected)
    assert text("long " * 200).shape == (16,)  # what is too long is cut off
    truth, _ = moving_box(num_frames=2)
    images = ImageEmbedder.load(whole_clip_folder, "clip")(list(truth))
    with torch.inference_mode():
        pixels = CLIPImageProcessor.from_pretrained(whole_clip_folder)(list(truth), return_tensors="pt")["pixel_values"]
        seen = whole.visual_projection(whole.vision_model(pixel_values=pixels).pooler_output)
    torch.testing.assert_close(images, torch.nn.functional.normalize(seen, dim=-1), atol=1e-4, rtol=0)


def test_an_image_half_alone_reads_no_text_and_half_a_text_half_is_refused(
    clip_folder: Path, whole_clip_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    assert TextEmbedder.load(clip_folder) is None
    broken = tmp_path / "broken"
    shutil.copytree(whole_clip_folder, broken)
    weights = load_file(broken / "model.safetensors")
    save_file(
        {name: one for name, one in weights.items() if name != "text_projection.weight"},
        broken / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(PvttError, match=r"clip_weights: .* lacks 1 weights, of text_projection\.weight"):
        TextEmbedder.load(broken)
    del weights["visual_projection.weight"]
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(PvttError, match=r"clip_weights: .* lacks 1 weights, of visual_projection\.weight"):
        ImageEmbedder.load(broken, "clip")


def test_a_folder_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match=r"evaluate\.clip_weights"):
        ImageEmbedder.load(tmp_path, "clip")


def test_photos_stand_on_white() -> None:
    photo = np.zeros((4, 4, 4), np.uint8)
    photo[0, 0] = (10, 20, 30, 255)
    shown = on_white(photo)
    assert shown[0, 0].tolist() == [10, 20, 30]
    assert (shown[1:] == 255).all()


def test_fvd_of_a_torchscript_network(i3d: Path) -> None:
    embedder = VideoEmbedder.load(i3d)
    truths = [noisy(moving_box(num_frames=5)[0], 20, seed) for seed in range(12)]
    features = embedder(truths)
    assert features.shape == (12, 4)
    distances = [
        frechet_distance(embedder([noisy(video, level, 9) for video in truths]), features) for level in (0, 30, 90)
    ]
    assert distances[0] == pytest.approx(0, abs=1e-9)
    assert distances == sorted(distances)


def test_a_file_that_is_no_torchscript_is_refused(tmp_path: Path) -> None:
    (tmp_path / "i3d.pt").write_bytes(b"weights")
    with pytest.raises(PvttError, match=r"evaluate\.fvd_weights"):
        VideoEmbedder.load(tmp_path / "i3d.pt")


def test_frechet_distance_is_the_gaussians_formula() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(0, 1, (4000, 2)), random.normal(3, 2, (4000, 2))
    # ‖(3, 3)‖² + 2 · (1 + 4 - 2·2)
    assert frechet_distance(first, second) == pytest.approx(18 + 2, rel=0.05)
