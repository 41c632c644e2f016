"""`pvtt model summary` counts what is really there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvtt.cli.model import command
from pvtt.models.conditioning.parts import PARTS
from pvtt.models.transformer import ProductVideoTransformer


@pytest.fixture
def _in_project(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project_root)


@pytest.mark.usefixtures("_in_project")
def test_parameters_and_tokens_are_the_models_own(project_root: Path) -> None:
    shown = json.loads(CliRunner().invoke(command, ["summary", "--json", "--no-time"]).stdout)

    base = project_root / "models" / "wan-tiny" / "transformer"
    model = ProductVideoTransformer.from_base(base, max_views=4)
    assert sum(part["parameters"] for part in shown["parts"]) == sum(p.numel() for p in model.parameters())
    names = [part["name"] for part in shown["parts"]]
    assert names == ["base", "mask_channels", "reference_frames", "collage"]
    assert shown["parts"][2]["tokens"] == 4 * 8**2
    assert shown["poc"][2]["tokens"] == 4 * 24**2
    assert shown["poc"][0]["parameters"] == pytest.approx(1.42e9, rel=0.01)
    assert shown["prod"][0]["parameters"] == pytest.approx(14.29e9, rel=0.01)


def test_what_each_stage_trains_is_counted_with_an_adapter_and_without(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("models", "infra"):
        (tmp_path / name).symlink_to(project_root / name)
    shutil.copy(project_root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    plain = json.loads(CliRunner().invoke(command, ["summary", "--json", "--no-time"]).stdout)["trainable"]
    text = (tmp_path / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("  stage2:\n", "  stage2:\n    lora: {rank: 3}\n"))
    adapted = json.loads(CliRunner().invoke(command, ["summary", "--json", "--no-time"]).stdout)["trainable"]

    base = ProductVideoTransformer.from_base(project_root / "models" / "wan-tiny" / "transformer", max_views=4)
    blocks, width = len(base.blocks), base.blocks[0].attn1.to_q.in_features
    assert adapted["parts"] == {"stage1": plain["parts"]["stage1"], "stage2": blocks * 2 * 4 * 3 * (width + width)}
    assert adapted["parts"]["stage2"] < plain["parts"]["stage2"] < sum(p.numel() for p in base.parameters())
    assert plain["prod"]["stage2"] > plain["poc"]["stage2"] > plain["poc"]["stage1"]


@pytest.mark.usefixtures("_in_project")
@pytest.mark.parametrize("name", list(PARTS))
def test_every_part_can_be_counted_at_every_size(name: str) -> None:
    shown = json.loads(CliRunner().invoke(command, ["summary", "--json", "--no-time", "--conditioning", name]).stdout)

    assert [part["name"] for part in shown["parts"]] == ["base", name]
    counts = [shown[size][1]["parameters"] for size in ("parts", "poc", "prod")]
    assert 0 < counts[0] < counts[1] < counts[2]


@pytest.mark.usefixtures("_in_project")
def test_a_person_reads_lines_and_the_time_beside_stock_wan() -> None:
    shown = CliRunner().invoke(command, ["summary", "--rounds", "1"])

    assert shown.exit_code == 0, shown.output
    assert "reference_frames" in shown.stdout
    assert "the stock base on as many tokens" in shown.stdout
    assert "parameters in stage 1, " in shown.stdout
    assert "profile prod:" in shown.stdout
