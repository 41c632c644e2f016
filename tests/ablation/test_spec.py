"""The file of an ablation: what it is held against before hours are spent on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pvtt.ablation.basis import project_values, read_keys
from pvtt.ablation.spec import check_rows, load_ablation, row_params
from pvtt.ablation.trainable import check_trainable
from pvtt.errors import MissingInputError, ParamsError
from pvtt.files.workspace import Workspace
from pvtt.params.file import load_params
from tests.ablation.projects import ROOT, SPEC, small_values, write_spec

ABLATIONS = ROOT / "infra" / "ablations"
AXIS = SPEC["axes"][0]


def with_row(**row: Any) -> dict[str, Any]:
    return {"axes": [AXIS | {"rows": [*AXIS["rows"], {"name": "other", "label": "other"} | row]}]}


def check(folder: Path, **changes: Any) -> None:
    check_rows(load_ablation(write_spec(folder, **changes)), small_values(), read_keys())


@pytest.mark.parametrize("name", [path.name for path in sorted(ABLATIONS.glob("*.yaml"))])
def test_the_projects_own_files_fit_its_params(project_root: Path, name: str) -> None:
    ablation = load_ablation(project_root / "infra" / "ablations" / name)
    values = project_values(Workspace(project_root))
    check_rows(ablation, values, read_keys())
    check_trainable(ablation, values, Workspace(project_root))


def test_a_row_that_would_train_nothing_is_named_before_any_runs(project_root: Path, tmp_path: Path) -> None:
    ablation = load_ablation(write_spec(tmp_path, **with_row(set=["model.conditioning=[context_blocks]"])))
    with pytest.raises(
        ParamsError, match=r"row other: train\.stage1\.trainable: 'blocks\.\*\.parts\.\*' matches no parameter"
    ):
        check_trainable(ablation, project_values(Workspace(project_root)), Workspace(project_root))


def test_every_way_of_conditioning_has_three_seeds_in_the_papers_table(project_root: Path) -> None:
    ablation = load_ablation(project_root / "infra" / "ablations" / "paper.yaml")
    (axis,) = [axis for axis in ablation.axes if axis.name == "conditioning"]
    assert all(len(ablation.seeds_of(row)) >= 3 for row in (ablation.reference, *axis.rows))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            with_row(set=["model.conditionings=[mask_channels]"]),
            r"row other: .*nearest valid name is model\.conditioning",
        ),
        (with_row(set=["encode.max_photos"]), "is no change of params"),
        (with_row(set=["encode.max_photos=[1"]), "is not YAML"),
        (with_row(set=["seed.deep=1"]), "seed is a value and has no keys"),
        (with_row(set=["clip.fps=24"]), r"no stage of an experiment reads clip\.fps"),
        (with_row(set=["seed=4"]), "seed is set by `seeds`"),
        (with_row(), "rows frames and other have the same params"),
        (with_row(name="tokens", set=["encode.max_photos=1"]), "two rows are called tokens"),
        (with_row(set=["encode.max_photos=1"], seeds=[0, 0]), "a seed stands twice"),
        (with_row(set=["encode.max_photos=1"], seeds=[]), "seeds"),
        ({"axes": [AXIS | {"against": "nobody"}]}, "there is no row nobody; the rows are frames, tokens"),
        ({"metrics": ["product_psn"]}, "there is no product_psn"),
        ({"metrics": ["fvd"]}, "fvd has no value for a single sample"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check(tmp_path, **changes)


def test_a_file_that_is_not_there_and_one_that_is_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="does not exist"):
        load_ablation(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ParamsError, match="is not YAML"):
        load_ablation(tmp_path / "broken.yaml")


def test_overrides_are_as_for_dvc(tmp_path: Path) -> None:
    """`-S` of `dvc exp run` and a row of the file say the same."""
    from dvc.utils.hydra import apply_overrides

    ablation, project = load_ablation(ABLATIONS / "paper.yaml"), Workspace(ROOT)
    for row in ablation.rows():
        copy = tmp_path / "params.yaml"
        copy.write_text(json.dumps(project_values(project)))
        apply_overrides(str(copy), list(ablation.overrides(row, 7)))
        assert load_params(copy) == row_params(ablation, project_values(project), row, 7)
