"""Profiles: what they set, what they leave, and where each value comes from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pvtt.cli.main import main
from pvtt.errors import ParamsError
from pvtt.params.file import load_params
from pvtt.params.profiles import apply_profile, load_overlay, origins, overlaid_params, profile_names

KEPT = ("seed", "crawl.source", "crawl.start", "crawl.allowed_hosts")  # whose they are does not depend on the scale


@pytest.fixture
def params_file(project_root: Path, tmp_path: Path) -> Path:
    shutil.copy(project_root / "params.yaml", tmp_path)
    return tmp_path / "params.yaml"


@pytest.fixture
def profiles(project_root: Path) -> Path:
    return project_root / "infra" / "profiles"


@pytest.mark.parametrize("name", ["poc", "prod"])
def test_no_value_of_a_large_profile_is_tiny_s(params_file: Path, profiles: Path, name: str) -> None:
    found = origins(params_file, profiles, name)
    from_file = [key for key, one in found.items() if one.source == "params.yaml"]
    assert from_file == list(KEPT)
    assert {one.source for one in found.values()} == {
        "params.yaml",
        "default",
        "poc",
        *([name] if name == "prod" else []),
    }
    assert found["encode.text_tokens"].value == 512  # Wan's
    assert found["train.loss.hole"].source == "default"
    assert found["encode.colour_augment"].value is False


@pytest.mark.parametrize("name", ["poc", "prod"])
def test_what_is_written_has_the_values_that_the_origins_say(params_file: Path, profiles: Path, name: str) -> None:
    found = origins(params_file, profiles, name)
    apply_profile(params_file, profiles, name)
    after = origins(params_file, profiles)
    assert {key: one.value for key, one in after.items()} == {key: one.value for key, one in found.items()}


def test_a_profile_does_not_depend_on_what_was_tuned_before(params_file: Path, profiles: Path) -> None:
    fresh = overlaid_params(params_file, profiles, "poc")
    text = params_file.read_text().replace("text_dropout: 0.1", "text_dropout: 0.5").replace("size: 512", "size: 256")
    params_file.write_text(text)
    assert load_params(params_file).train.text_dropout == 0.5
    assert overlaid_params(params_file, profiles, "poc") == fresh


def test_a_profile_upon_params_yaml_keeps_the_rest(params_file: Path, profiles: Path) -> None:
    found = origins(params_file, profiles, "champion_more")
    assert found["train.stage1.steps"].source == "champion_more"
    assert found["train.stage2.batch_size"].source == "champion"
    assert found["train.loss.region"].source == "params.yaml"


def test_every_shipped_profile_fits_the_schema(params_file: Path, profiles: Path) -> None:
    for name in profile_names(profiles):
        overlaid_params(params_file, profiles, name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: mine\nseed: 1\n", "profiles extend each other: mine → mine"),
        ("extends: [unclosed", "is not YAML"),
        ("- a\n", "holds no keys of params.yaml"),
        ("extends: defaults\nkeeps: seed\n", "keeps is 'seed'"),
        ("extends: defaults\nprofile: poc\n", "seed: missing"),
        ("train: {stage1: {stepz: 3}}\n", "the nearest valid name is train.stage1.steps"),
    ],
)
def test_a_profile_that_cannot_be_is_refused_and_nothing_written(params_file: Path, text: str, said: str) -> None:
    folder = params_file.parent / "profiles"
    folder.mkdir()
    (folder / "mine.yaml").write_text(text)
    before = params_file.read_text()
    with pytest.raises(ParamsError) as error:
        apply_profile(params_file, folder, "mine")
    assert said in error.value.message
    assert params_file.read_text() == before


def test_a_profile_above_another_sets_more(profiles: Path) -> None:
    overlay = load_overlay(profiles, "prod")
    assert overlay.origins["train.stage1.steps"] == "prod"
    assert overlay.origins["train.stage1.lr"] == "poc"
    assert overlay.from_defaults


def test_the_command_prints_origins_and_writes_nothing(
    project_root: Path, params_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(project_root / "infra" / "profiles", params_file.parent / "infra" / "profiles")
    monkeypatch.chdir(params_file.parent)
    before = params_file.read_text()
    main(["params", "--profile", "poc", "--origins"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith("train.stage1.lr ")] == ["poc"]
    main(["params", "--profile", "poc", "--origins", "--json"])
    assert json.loads(capsys.readouterr().out)["seed"] == {"value": 0, "source": "params.yaml"}
    assert params_file.read_text() == before
