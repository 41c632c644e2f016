"""What the reference cache saves a sampling run, and what each part's step costs beside stock Wan on as many tokens.

`pytest tests/benchmarks/test_conditioning.py -s` prints the figures, at the tiny profile's size. About two minutes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from pvtt.models.conditioning.parts import PARTS
from pvtt.models.loading import read_transformer_config
from pvtt.models.sampling import SamplingSettings, sample
from pvtt.models.summary import dummy_conditions, new_transformer, part_costs, step_seconds, stock_seconds
from pvtt.params.file import Params, load_params

ROUNDS, STEPS = 3, 6


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def params(project_root: Path) -> Params:
    return load_params(project_root / "params.yaml")


@pytest.fixture
def config(project_root: Path, params: Params) -> dict[str, Any]:
    return read_transformer_config(project_root / params.model.base)


def test_the_reference_cache_saves_time(
    params: Params, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_transformer(params, config, ("mask_channels", "reference_frames")).eval()
    conditions = dummy_conditions(params, config)
    noise = torch.randn_like(conditions.masked_latents)

    def seconds() -> float:
        best = float("inf")
        for _ in range(ROUNDS):
            start = time.perf_counter()
            settings = SamplingSettings(STEPS, params.evaluate.product_guidance)
            sample(model, FlowMatchEulerDiscreteScheduler(), noise, conditions, conditions.text[0], settings)
            best = min(best, time.perf_counter() - start)
        return best

    seconds()
    cached = seconds()
    monkeypatch.setattr(model, "remember", lambda conditions: [])
    anew = seconds()
    print(f"\n{STEPS} steps: {cached:.2f} s with remembered references, {anew:.2f} s without: {anew / cached:.2f}")
    assert cached < anew


@pytest.mark.parametrize("name", list(PARTS))
def test_a_parts_step_beside_stock_wan(params: Params, config: dict[str, Any], name: str) -> None:
    if name == "dual_encoder":
        encode = params.encode.model_copy(update={"image_features": "clip_dino"})
        params = params.model_copy(update={"encode": encode})
    base, part = part_costs(params, config, [name])
    without, with_part = step_seconds(params, config, [name], rounds=ROUNDS)
    attended = part.tokens if name in ("reference_frames", "context_blocks") else 0
    stock = stock_seconds(config, params, base.tokens + attended, rounds=ROUNDS)
    print(
        f"\n{name}: {part.parameters:,} parameters, {part.tokens} tokens; base {without * 1000:.0f} ms, with it "
        f"{with_part * 1000:.0f} ms, stock Wan on {base.tokens + attended} tokens {stock * 1000:.0f} ms: "
        f"{with_part / stock:.2f}",
        end="",
    )
    assert with_part < 4 * stock
