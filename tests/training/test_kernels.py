"""`train.deterministic` and `train.attention`: what they set, and what they refuse before the first step."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

import pytest
import torch

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import ParamsError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.params.file import parse_params
from pvtt.params.train import Attention
from pvtt.stages import train_stage1
from pvtt.training import loop
from pvtt.training.attention import BACKENDS, set_attention
from pvtt.training.loop import Training
from pvtt.training.runtime import deterministic
from tests.training.samples import tiny_params
from tests.training.test_compile import default_model

HERE, CPU = InlineDispatcher(), torch.device("cpu")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What makes kernels deterministic."""

    algorithms: bool = dataclasses.field(default_factory=torch.are_deterministic_algorithms_enabled)
    benchmark: bool = dataclasses.field(default_factory=lambda: torch.backends.cudnn.benchmark)
    cublas: str | None = dataclasses.field(default_factory=lambda: os.environ.get("CUBLAS_WORKSPACE_CONFIG"))


@pytest.mark.parametrize("strict", [True, False])
def test_the_switch_sets_the_settings_of_a_training(
    workspace: Workspace, strict: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    before, seen, step = Settings(), [], Training.train_step

    def train_step(self: Training) -> dict[str, float]:
        seen.append(Settings())
        return step(self)

    monkeypatch.setattr(loop.Training, "train_step", train_step)
    train_stage1.run(workspace, tiny_params(steps=1, deterministic=strict), HERE)
    assert seen == [Settings(strict, not strict, ":4096:8" if strict else None)]
    assert (Settings().algorithms, Settings().benchmark) == (before.algorithms, before.benchmark)


def test_an_error_leaves_the_settings_as_they_were() -> None:
    before = Settings().algorithms
    with pytest.raises(ZeroDivisionError), deterministic(not before):
        raise ZeroDivisionError
    assert Settings().algorithms == before


def test_what_has_no_deterministic_kernel_is_an_error_that_says_what_to_switch_off() -> None:
    """As on a GPU, where torch may refuse: here it is let to, in an operation that a CPU has no such kernel for."""

    def put() -> None:
        with deterministic():
            torch.use_deterministic_algorithms(True, warn_only=False)
            torch.zeros(4).put_(torch.tensor([1]), torch.ones(1))

    with pytest.raises(ParamsError, match=r"train.deterministic: put_") as error:
        put()
    assert "train.deterministic: false" in str(error.value.hint)
    assert not torch.are_deterministic_algorithms_enabled()


def test_math_attention_trains_to_the_last_bits_what_torchs_choice_trains(workspace: Workspace) -> None:
    losses, hashes = [], []
    for attention in ("auto", "math", "math"):
        train_stage1.run(workspace, tiny_params(steps=2, attention=attention), HERE)
        out = workspace.out("train_stage1")
        losses.append([float(line.split(",")[1]) for line in (out / "loss.csv").read_text().splitlines()[1:]])
        hashes.append(sha256_tree(out))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert hashes[1] == hashes[2]


def test_a_backend_is_set_in_every_block_and_nowhere_else() -> None:
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    active, _ = _AttentionBackendRegistry.get_active_backend()
    model, other = default_model(), default_model()
    set_attention(model, "math", CPU, in_bf16=False)
    for block, untouched in zip(model.blocks, other.blocks, strict=True):
        for name in ("attn1", "attn2"):
            assert getattr(block, name).processor._attention_backend == BACKENDS["math"]
            assert getattr(untouched, name).processor._attention_backend is None
    assert _AttentionBackendRegistry.get_active_backend()[0] == active


@pytest.mark.parametrize("name", ["flash_attn_2", "flash_attn_3", "xformers", "cudnn"])
def test_what_does_not_run_here_is_refused_before_the_first_step(
    workspace: Workspace, name: Attention, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "run", lambda self: pytest.fail("the training began"))
    with pytest.raises(ParamsError, match=rf"train\.attention: {name} does not run on this machine's cpu") as raised:
        train_stage1.run(workspace, tiny_params(steps=1, attention=name), HERE)
    assert "\n" not in raised.value.message
    assert "train.attention: auto" in str(raised.value.hint)


def test_a_backend_that_nobody_knows_is_refused_with_the_params() -> None:
    values: dict[str, Any] = json.loads(tiny_params(steps=1).model_dump_json(by_alias=True))
    values["train"]["attention"] = "flush"
    with pytest.raises(ParamsError, match="attention"):
        parse_params(values)
