"""The contenders that sample from a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pvtt.encoding.collage import Collage, HoleShape
from pvtt.evaluation.contenders.contender import Network, Setting, Task
from pvtt.evaluation.contenders.model import VACE
from pvtt.evaluation.generate import ConditionedSample, Generator
from pvtt.items.cache import ItemCache
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.contracts import Contracts
from pvtt.params.model import ModelParams
from pvtt.training.model import new_model, save_pipeline
from tests.encoding.samples import tiny_encode_params
from tests.tiny_wan import TEXT_DIM, build_tiny_base, tiny_vace
from tests.training.samples import tiny_params


def sample_of(key: str) -> ConditionedSample:
    random = torch.Generator().manual_seed(len(key))

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=random)

    conditions = Conditions(
        mask=torch.ones(1, 4, 3, 4, 6),
        masked_latents=normal(1, 16, 3, 4, 6),
        photo_latents=normal(1, 2, 16, 4, 4),
        view_mask=torch.ones(1, 2, dtype=torch.bool),
        text=normal(1, 12, TEXT_DIM),
        context_mask=torch.ones(1, 64, 3, 4, 6),
        reactive_latents=normal(1, 16, 3, 4, 6),
        canvas_latents=normal(1, 2, 16, 4, 6),
    )
    return ConditionedSample(key, Path(__file__), conditions, normal(1, 16, 3, 4, 6))


@pytest.mark.parametrize("is_vace", [True, False])
def test_a_vace_is_a_contender_without_training_and_another_base_is_none(tmp_path: Path, is_vace: bool) -> None:
    torch.set_num_threads(1)
    base = build_tiny_base(tmp_path / "base")
    if is_vace:
        tiny_vace().save_pretrained(base / "transformer")
    encode = tiny_encode_params()
    tokens = {"tokens_per_view": 4, "product_dim": 64}
    model = new_model(base, ModelParams(conditioning=("context_blocks",), product_heads=2), 3, tokens, seed=0)
    save_pipeline(tmp_path / "model", model, base, Contracts.from_params(encode), encode)
    params = tiny_params(conditioning=["context_blocks"])
    hashes: dict[Network, str] = {"model": "m" * 64, "base": "b" * 64}
    cache = ItemCache(tmp_path / "cache")
    generator = Generator(tmp_path / "model", None, base, hashes, params, "cpu", cache)
    setting = Setting(generator, np.zeros(3, np.uint8), HoleShape("box", 0.03))
    hole = np.ones((9, 32, 48), np.bool_)
    template, nothing = np.zeros((9, 32, 48, 3), np.uint8), Collage(np.zeros((9, 32, 48, 4), np.float32))
    task = Task("A_001", template, hole, [], sample_of("A_001"), None, template, nothing)

    (video,) = VACE.videos([task], setting)

    if not is_vace:
        assert video is None
        return
    assert video is not None
    assert video.shape == (9, 32, 48, 3)
    (without,) = generator.videos([task.conditions], None, network="base")
    assert (video != without).any()  # it sees the photos, without any training
    (same,) = generator.videos([task.conditions], [task.conditions], network="model")
    assert (video == same).all()  # of a model without training
