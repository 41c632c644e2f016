"""Every recommended command runs: its overrides are applied to params.yaml by DVC itself, and fit the schema."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvtt.decision.decide import decide
from pvtt.encoding.masks import MaskShape
from pvtt.params.file import Params, load_params
from pvtt.records.decision import Decision
from tests.decision.measurements import falling_loss, metric, rating, rising_loss, rising_validation, with_changes

KNOWN = {
    "python -m flows.ingest",
    "python -m flows.promote",
    "pvtt rate",
    "make test",
    "dvc repro --force --single-item validate",
    "dvc repro --force --single-item evaluate",
}
CASES: list[dict[str, Any]] = [
    {},
    {"test_rating": rating(1.0)},
    {"train_psnr": metric(20.0)},
    {"train_psnr": metric(20.0), "loss": falling_loss(still_falling=True)},
    {"loss": rising_loss()},
    {"test_flow_warp_error": metric(4.0)},
    {"transfer_paste_gain": metric(-1.0)},
    {"train_psnr": metric(20.0), "test_flow_warp_error": metric(4.0), "test_swap_gain": metric(-1.0)},
    {"train_psnr": metric(20.0), "validation": rising_validation()},
    {"test_rating": rating(1.0), "validation": rising_validation(best_step=3)},
    {"transfer_untrained_gain": None},
    {"loss": None},
    {"train_clip_i": None},
    {"test_rating": None},
    {"train_psnr": metric(None, status="too_few")},
    {"test_swap_gain": metric(None, status="not_measured")},
]


def overridden(command: str, params_file: Path, tmp_path: Path) -> Params:
    """The params after a command's `-S` overrides, applied as `dvc exp run` applies them."""
    from dvc.utils.hydra import apply_overrides

    words = shlex.split(command)
    assert words[:3] == ["dvc", "exp", "run"]
    assert all(flag == "-S" for flag in words[3::2])
    copy = tmp_path / "params.yaml"
    shutil.copyfile(params_file, copy)
    apply_overrides(str(copy), words[4::2])
    return load_params(copy)


@pytest.mark.parametrize("changes", CASES)
def test_every_command_runs_on_the_default_params(changes: dict[str, Any], project_root: Path, tmp_path: Path) -> None:
    params_file = project_root / "params.yaml"
    params = load_params(params_file)
    decision = decide(with_changes(**changes), params, "0" * 12)
    assert decision.next_steps
    for step in decision.next_steps:
        if step.command not in KNOWN:
            assert overridden(step.command, params_file, tmp_path) != params


def test_overrides_start_from_the_current_values(project_root: Path, tmp_path: Path) -> None:
    params_file = project_root / "params.yaml"
    params = load_params(params_file)

    def first(decision: Decision, key: str) -> Params:
        command = next(step.command for step in decision.next_steps if key in step.command)
        return overridden(command, params_file, tmp_path)

    diverged = first(decide(with_changes(loss=rising_loss()), params, "0" * 12), "train.stage1.lr")
    assert diverged.train.stage1.lr == pytest.approx(params.train.stage1.lr / 3, rel=0.01)
    capacity = first(decide(with_changes(train_psnr=metric(20.0)), params, "0" * 12), "model.conditioning")
    assert capacity.model.conditioning == (*params.model.conditioning, "product_tokens")
    summed_up = params.model_copy(update={"model": capacity.model})
    wider = first(decide(with_changes(train_psnr=metric(20.0)), summed_up, "0" * 12), "num_product_tokens")
    assert wider.model.num_product_tokens == 2 * params.model.num_product_tokens
    unfrozen = first(decide(with_changes(train_psnr=metric(20.0)), params, "0" * 12), "train.stage2.trainable")
    assert unfrozen.train.stage2.trainable == ("*",)
    flicker = first(decide(with_changes(test_flow_warp_error=metric(9.0)), params, "0" * 12), "temporal_difference")
    assert flicker.train.loss.temporal_difference > params.train.loss.temporal_difference
    dense = first(decide(with_changes(test_flow_warp_error=metric(9.0)), params, "0" * 12), "encode.num_frames")
    assert (dense.encode.num_frames - 1) * dense.encode.frame_stride <= (
        params.encode.num_frames - 1
    ) * params.encode.frame_stride


def test_an_adapter_gives_way_to_the_layers_themselves(project_root: Path, tmp_path: Path) -> None:
    params_file = tmp_path / "run.yaml"
    text = (project_root / "params.yaml").read_text()
    params_file.write_text(re.sub(r"(\n  stage2:\n)", r"\1    lora: {rank: 8}\n", text))
    params = load_params(params_file)
    assert params.train.stage2.lora.rank == 8
    steps = decide(with_changes(train_psnr=metric(20.0)), params, "0" * 12).next_steps
    commands = [step.command for step in steps if "stage2" in step.command]
    assert [overridden(command, params_file, tmp_path).train.stage2.lora.rank for command in commands] == [0]


def test_a_loss_still_falling_suggests_longer_training_first(project_root: Path) -> None:
    params = load_params(project_root / "params.yaml")
    changes = {"train_psnr": metric(20.0), "loss": falling_loss(still_falling=True)}
    decision = decide(with_changes(**changes), params, "0" * 12)
    assert f"train.stage2.steps={params.train.stage2.steps * 2}" in decision.next_steps[0].command


def test_success_leads_to_promotion(project_root: Path) -> None:
    params = load_params(project_root / "params.yaml")
    assert decide(with_changes(), params, "0" * 12).next_steps[0].command == "python -m flows.promote"


def test_flicker_and_conditioning_are_mended_beside_capacity(project_root: Path) -> None:
    params = load_params(project_root / "params.yaml")
    changes = {"train_psnr": metric(20.0), "test_flow_warp_error": metric(9.0), "test_swap_gain": metric(-1.0)}
    commands = " ".join(step.command for step in decide(with_changes(**changes), params, "0" * 12).next_steps)
    assert "model.conditioning" in commands
    assert "temporal_difference" in commands
    assert "contrastive" in commands


def test_a_rising_validation_loss_never_suggests_longer_training(project_root: Path) -> None:
    params = load_params(project_root / "params.yaml")
    changes = {
        "train_psnr": metric(20.0),
        "loss": falling_loss(still_falling=True),
        "validation": rising_validation(params.train.stage1.steps + 7, params.train.stage1.steps + 20),
    }
    steps = decide(with_changes(**changes), params, "0" * 12).next_steps
    assert "train.stage2.steps=7" in steps[0].command
    assert not any("as long" in step.text for step in steps)


@given(
    box=st.floats(0, 1).map(lambda value: round(value, 2)),
    grid=st.floats(0, 1).map(lambda value: round(value, 2)),
    stage2=st.integers(1, 500),
    changes=st.sampled_from(CASES),
)
def test_every_experiment_fits_whatever_params_the_run_had(
    box: float, grid: float, stage2: int, changes: dict[str, Any]
) -> None:
    params = load_params(Path(__file__).resolve().parents[2] / "params.yaml")
    values = params.model_dump(mode="json", by_alias=True)
    values["encode"]["mask"] |= {"box_fraction": box, "grid_fraction": min(grid, round(1 - box, 2))}
    values["train"]["stage2"]["steps"] = stage2
    params = Params.model_validate_json(json.dumps(values))
    for step in decide(with_changes(**changes), params, "0" * 12).next_steps:
        if step.command.startswith("dvc exp run"):
            changed = json.loads(json.dumps(values))
            for override in shlex.split(step.command)[4::2]:
                key, _, value = override.removeprefix("++").partition("=")
                *sections, name = key.split(".")
                section = changed
                for part in sections:
                    section = section[part]
                section[name] = json.loads(value) if value[0] in "[-0123456789" else value
            after = Params.model_validate_json(json.dumps(changed))
            assert after != params
            assert MaskShape.evaluation(after.encode.mask).kind == MaskShape.evaluation(params.encode.mask).kind
