"""LoRA in the second stage: equal at the start, only the adapter learns, and it loads elsewhere as it was trained."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.encoding.store import EncodedDataset
from pvtt.errors import ParamsError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.file import Params, parse_params
from pvtt.params.train import LoraParams
from pvtt.records.training import TrainingMetrics
from pvtt.stages import train_stage1, train_stage2
from pvtt.training.job import TrainJob
from pvtt.training.loop import Training
from pvtt.training.lora import ADAPTER_FILE, num_trainable
from pvtt.training.runtime import accelerate_for, deterministic
from tests.forked import fork
from tests.training.endings import end_in_step
from tests.training.ranks import train_together
from tests.training.samples import tiny_params
from tests.training.test_train import read_rows, transformer_weights

HERE = InlineDispatcher()
RANK, ALPHA = 2, 8.0  # a power of two more: the adapter's file has it in its numbers, without rounding
ADAPTED = 2 * 2 * 4  # blocks, attentions, linear layers


def with_lora(params: Params, **changes: Any) -> Params:
    lora = LoraParams(**({"rank": RANK, "alpha": ALPHA} | changes))
    stage = params.train.stage2.model_copy(update={"lora": lora})
    return params.model_copy(update={"train": params.train.model_copy(update={"stage2": stage})})


@pytest.fixture(scope="module")
def after_stage1(built_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("lora") / "workspace"
    shutil.copytree(built_workspace.root, root)
    train_stage1.run(Workspace(root), tiny_params(steps=1), HERE)
    return Workspace(root)


@pytest.fixture
def workspace(after_stage1: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(after_stage1.root, tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def velocity(model: Any, workspace: Workspace) -> torch.Tensor:
    """Of a sample, with its photos."""
    sample = EncodedDataset(workspace.out("encode"), "train").read(0, 0)
    given = {"hidden_states": sample.latents, "timestep": torch.tensor([500.0]), "conditions": sample.conditions}
    with torch.no_grad():
        out: torch.Tensor = model.eval()(**given).sample
    return out


def test_it_starts_as_full_training_does_and_costs_nothing_where_it_is_off(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = []
    for params in (tiny_params(steps=1), with_lora(tiny_params(steps=1))):
        with monkeypatch.context() as patch:
            if not params.train.stage2.lora.rank:
                patch.setitem(sys.modules, "peft", None)  # whoever imports it fails
            train_stage2.run(workspace, params, HERE)
        starts.append(read_rows(workspace.out("train_stage2") / "validation.csv")[:5])
    assert starts[0] == starts[1]
    assert all(row["step"] == 0 for row in starts[0])


def test_only_the_adapter_learns_and_it_loads_as_it_was_trained(workspace: Workspace) -> None:
    params = with_lora(tiny_params(steps=3))
    job = TrainJob(workspace, "train_stage2", params)
    with deterministic(), accelerate_for(params.train, 1) as accelerator:
        training = Training(job, accelerator)
        metrics = training.run()
        trained = velocity(training.transformer, workspace)
    out = workspace.out("train_stage2")

    # What was trained is what `pvtt model summary` counts.
    names = json.loads((out / "trainable.json").read_text())["names"]
    assert len(names) == 2 * ADAPTED
    assert all(".lora_" in name for name in names)
    plain = ProductVideoTransformer.from_pretrained(workspace.out("train_stage1") / "model" / "transformer")
    assert metrics.num_trainable == num_trainable(plain, params.train.stage2, "train.stage2")
    assert metrics.num_trainable == ADAPTED * RANK * (32 + 32)
    assert metrics.num_parameters == sum(p.numel() for p in plain.parameters()) + metrics.num_trainable

    # The adapter alone, on the model of stage 1.
    before = velocity(plain, workspace)
    assert not torch.equal(before, trained)
    plain.load_lora_adapter(out / "model" / "adapter" / ADAPTER_FILE)
    assert torch.equal(velocity(plain, workspace), trained)

    # Merged: a folder like any other.
    pipeline = ProductVideoPipeline.from_pretrained(out / "model")
    torch.testing.assert_close(velocity(pipeline.transformer, workspace), trained, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(trained, before, rtol=1e-5, atol=1e-5)
    first, second = (transformer_weights(workspace.out(stage) / "model") for stage in ("train_stage1", "train_stage2"))
    assert first.keys() == second.keys()
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert changed == {name.partition(".lora_")[0] + ".weight" for name in names}

    # Stock Wan reads it too.
    stock = WanTransformer3DModel.from_pretrained(workspace.root / "models" / "base" / "transformer")
    stock.load_lora_adapter(out / "model" / "adapter" / ADAPTER_FILE)
    stock.fuse_lora()
    fused = {name.replace(".base_layer.", "."): tensor for name, tensor in stock.state_dict().items()}
    for name in changed:
        torch.testing.assert_close(fused[name], second[name], rtol=1e-6, atol=1e-7)


def test_a_killed_run_ends_as_one_that_is_not(workspace: Workspace) -> None:
    params = with_lora(tiny_params(steps=4))
    train_stage2.run(workspace, params, HERE)
    expected = sha256_tree(workspace.out("train_stage2"))
    shutil.rmtree(workspace.out("train_stage2"))
    child = fork()
    if child == 0:
        try:
            end_in_step(3, signal.SIGKILL)
            train_stage2.run(workspace, params, HERE)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert list((workspace.checkpoints / "train_stage2").glob("*-00000002.pt"))
    train_stage2.run(workspace, params, HERE)
    assert sha256_tree(workspace.out("train_stage2")) == expected


def test_two_processes_with_a_share_each_train_the_adapter_of_one(workspace: Workspace, tmp_path: Path) -> None:
    alone, together = ({"batch_size": 2, "gradient_accumulation": 2}, {"batch_size": 4, "gradient_accumulation": 1})
    results = []
    for stage in (alone, together):
        params = with_lora(tiny_params(steps=2, stage=stage, optimizer="adamw"))
        if stage is alone:
            train_stage2.run(workspace, params, HERE)
        else:
            train_together(2, "fsdp2", lambda rank: train_stage2.run(workspace, params, HERE), tmp_path)  # noqa: B023
        model = workspace.out("train_stage2") / "model"
        results.append(transformer_weights(model) | load_file(model / "adapter" / ADAPTER_FILE))
        metrics = TrainingMetrics.from_json((workspace.metrics / "train_stage2.json").read_text())
        assert metrics.num_trainable == ADAPTED * RANK * (32 + 32)
        shutil.rmtree(workspace.out("train_stage2"))
    assert results[0].keys() == results[1].keys()
    for name, weight in results[0].items():
        assert (weight - results[1][name]).abs().max() < 1e-6, name


def test_wrong_targets_and_a_missing_peft_are_one_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    params = with_lora(tiny_params(steps=1), targets=("blocks.*.attn1.to_query",))
    with pytest.raises(ParamsError, match=r"train\.stage2\.lora\.targets: .* no linear layer; the nearest .*to_q"):
        train_stage2.run(workspace, params, HERE)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ParamsError, match=r"train\.stage2\.lora is on, and peft is not installed"):
        train_stage2.run(workspace, with_lora(tiny_params(steps=1)), HERE)


def test_the_first_stage_has_no_adapter() -> None:
    values = json.loads(tiny_params(steps=1).model_dump_json(by_alias=True))
    values["train"]["stage1"]["lora"] = {"rank": 4}
    with pytest.raises(ParamsError, match="LoRA is a mode of stage2"):
        parse_params(values)
