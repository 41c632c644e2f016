"""`pvtt plan` and `pvtt params --promoted`: what a person reads before and after a promotion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pvtt.cli.main import main
from pvtt.params.profiles import apply_profile


@pytest.fixture
def project(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the params of the profile poc."""
    shutil.copy(project_root / "params.yaml", tmp_path)
    shutil.copytree(project_root / "infra" / "profiles", tmp_path / "infra" / "profiles")
    shutil.copytree(project_root / "infra" / "slurm", tmp_path / "infra" / "slurm")
    apply_profile(tmp_path / "params.yaml", tmp_path / "infra" / "profiles", "poc")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_plan_says_what_changes_what_it_takes_and_what_it_may_bring(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["plan"])
    shown = capsys.readouterr().out
    assert "train.stage1.steps: 10000 → 20000" in shown
    assert "14.3 B parameters" in shown
    assert "GPU hours" in shown
    assert "published is 3.21 → 3.34 of 5 from 1.3B to 14B" in shown
    assert shown.endswith("it fits\n")


def test_a_plan_that_does_not_fit_ends_with_its_own_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = project / "infra" / "slurm" / "h800.yaml"
    profile.write_text(profile.read_text().replace("gpus_per_node: 8", "gpus_per_node: 2"))
    with pytest.raises(SystemExit) as ended:
        main(["plan"])
    assert ended.value.code == 9
    assert "GiB a GPU are needed, 79 GiB are there" in capsys.readouterr().err


def test_without_a_promotion_no_params_become_those_of_14b(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "params.yaml").read_text()
    with pytest.raises(SystemExit) as ended:
        main(["params", "--promoted"])
    assert ended.value.code == 9
    assert "no promotion is in force" in capsys.readouterr().err
    assert (project / "params.yaml").read_text() == before
