"""The same weights in two places are the same model: byte for byte where we save it, by its hash wherever it lies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import WanPipeline
from safetensors.torch import load_file, save_file

from pvtt.files.hashing import sha256_tree
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.contracts import Contracts
from pvtt.models.origin import forget_origin, model_sha256
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.training.model import save_pipeline
from tests.encoding.samples import tiny_encode_params
from tests.tiny_wan import build_tiny_base

PARAMS = tiny_encode_params()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def saved_base(root: Path) -> Path:
    """A base that has been loaded and saved, as people do, which leaves the folder in its configurations."""
    build_tiny_base(root / "stock")
    WanPipeline.from_pretrained(root / "stock", local_files_only=True).save_pretrained(root / "base")
    assert str(root) in (root / "base" / "vae" / "config.json").read_text()
    return root / "base"


def adapter_of(base: Path) -> ProductVideoTransformer:
    return ProductVideoTransformer.from_base(
        base / "transformer", tokens_per_view=4, num_product_tokens=6, product_heads=2
    )


def save_trained(root: Path) -> Path:
    base = saved_base(root)
    save_pipeline(root / "model", adapter_of(base), base, Contracts.from_params(PARAMS), PARAMS)
    return root / "model"


def save_new(root: Path) -> Path:
    base = saved_base(root)
    ProductVideoPipeline.from_base(base, adapter_of(base), PARAMS).save_pretrained(root / "model")
    return root / "model"


def save_again(root: Path) -> Path:
    ProductVideoPipeline.from_pretrained(save_trained(root)).save_pretrained(root / "again")
    return root / "again"


@pytest.mark.parametrize("save", [save_trained, save_new, save_again])
def test_the_same_weights_saved_in_two_folders_are_equal_byte_for_byte(
    tmp_path: Path, save: Callable[[Path], Path]
) -> None:
    one, two = save(tmp_path / "one"), save(tmp_path / "somewhere" / "two")
    assert sha256_tree(one) == sha256_tree(two)
    for path in one.rglob("*.json"):
        assert str(tmp_path) not in path.read_text(), path
    ProductVideoPipeline.from_pretrained(two)


def test_a_base_saved_by_others_in_two_places_has_one_hash(tmp_path: Path) -> None:
    one, two = saved_base(tmp_path / "one"), saved_base(tmp_path / "two")
    assert sha256_tree(one) != sha256_tree(two)
    assert model_sha256(one) == model_sha256(two)
    notes = two / ".cache" / "huggingface" / "download"
    notes.mkdir(parents=True)
    (notes / "model_index.json.metadata").write_text("fetched at noon")
    assert model_sha256(one) == model_sha256(two)


def test_a_changed_weight_setting_or_file_name_is_another_model(tmp_path: Path) -> None:
    base = build_tiny_base(tmp_path / "base")
    hashes = [model_sha256(base)]

    weights = base / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["proj_out.bias"][0] += 1e-3
    save_file(tensors, weights)
    hashes.append(model_sha256(base))

    config = base / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"flow_shift": 5.0}))
    hashes.append(model_sha256(base))

    shutil.move(base / "vae", base / "autoencoder")
    hashes.append(model_sha256(base))
    assert len(set(hashes)) == 4


def test_the_layout_of_a_configuration_is_no_content_but_its_values_are(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"dim": 4, "clip": -Infinity, "_name_or_path": "/home/ann/base"}')
    first = model_sha256(tmp_path)
    forget_origin(tmp_path)
    assert json.loads(config.read_text()) == {"dim": 4, "clip": float("-inf")}
    assert model_sha256(tmp_path) == first
    before = config.stat().st_mtime_ns
    forget_origin(tmp_path)
    assert config.stat().st_mtime_ns == before  # nothing to forget: left alone
    config.write_text('{"dim": 5, "clip": -Infinity}')
    assert model_sha256(tmp_path) != first
    config.write_text("no JSON")
    assert model_sha256(tmp_path) != first
