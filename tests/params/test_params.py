"""params.yaml: what is accepted, and what the errors say."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pvtt.errors import MissingInputError, ParamsError
from pvtt.params.file import load_params, parse_params
from pvtt.params.profiles import apply_profile, load_overlay


@pytest.fixture
def data(project_root: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load((project_root / "params.yaml").read_text())
    return loaded


def test_the_committed_file_fits(project_root: Path) -> None:
    params = load_params(project_root / "params.yaml")
    assert params.profile == "tiny"
    assert params.validate_.split_ratios == (0.8, 0.1, 0.1)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("clip", "min_secnds", 3.0, "clip.min_secnds: unknown key; the nearest valid name is clip.min_seconds"),
        ("clip", "fps", "fast", "clip.fps: Input should be a valid number, got 'fast'"),
        ("clip", "crf", 99, "clip.crf: Input should be less than or equal to 51, got 99"),
        ("encode", "num_frames", 72, "num_frames 72 is not 4n+1; the nearest legal length is 73"),
        ("evaluate", "parts", ["test", "test"], "evaluate.parts: test more than once"),
        ("evaluate", "parts", ["transfer"], "evaluate.parts: transfer without test"),
        ("validate", "split_ratios", [0.8, 0.1, 0.2], "split_ratios [0.8, 0.1, 0.2] add up to 1.1, not 1"),
    ],
)
def test_a_wrong_key_is_named_with_the_reason(
    data: dict[str, Any], section: str, key: str, value: Any, said: str
) -> None:
    data[section][key] = value
    with pytest.raises(ParamsError) as error:
        parse_params(data)
    assert said in error.value.message


@pytest.mark.parametrize(
    ("conditioning", "encode", "said"),
    [
        ([], {}, "conditioning is empty"),
        (["mask_channels", "mask_channels"], {}, "conditioning has mask_channels more than once"),
        (["context_blocks", "reference_frames"], {}, "context_blocks and reference_frames do not go together"),
        (["context_blocks", "template_frames"], {}, "context_blocks and template_frames do not go together"),
        (["context_blocks"], {"mask": {"fill": -1.0}}, "VACE (model.conditioning: context_blocks) knows holes of 0"),
        (["dual_encoder"], {}, "dual_encoder, which needs encode.image_features: clip_dino"),
    ],
)
def test_a_conditioning_that_cannot_be_is_refused(
    data: dict[str, Any], conditioning: list[str], encode: dict[str, Any], said: str
) -> None:
    data["model"]["conditioning"] = conditioning
    data["encode"] |= encode
    with pytest.raises(ParamsError) as error:
        parse_params(data)
    assert said in error.value.message


@pytest.mark.parametrize(
    ("conditioning", "features"),
    [
        (["mask_channels", "template_frames", "reference_frames", "product_tokens"], "vae"),
        (["template_frames", "reference_frames"], "vae"),
        (["context_blocks", "product_tokens", "dual_encoder"], "clip_dino"),
    ],
)
def test_parts_that_say_different_things_go_together(
    data: dict[str, Any], conditioning: list[str], features: str
) -> None:
    data["model"]["conditioning"] = conditioning
    data["encode"]["image_features"] = features
    assert list(parse_params(data).model.conditioning) == conditioning


def test_a_nested_unknown_key_finds_its_neighbour(data: dict[str, Any]) -> None:
    data["train"]["stage1"]["learning_rate"] = 1e-4
    data["train"]["stage1"]["stepz"] = 3
    with pytest.raises(ParamsError) as error:
        parse_params(data)
    assert "train.stage1.stepz: unknown key; the nearest valid name is train.stage1.steps" in error.value.message


def test_numbers_as_dvc_writes_them_are_numbers(project_root: Path, tmp_path: Path) -> None:
    text = re.sub(r"lr: \S+", "lr: 3e-5", (project_root / "params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(text)
    assert load_params(tmp_path / "params.yaml").train.stage1.lr == 3e-5


def test_no_file_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("clip: [unclosed")
    with pytest.raises(ParamsError, match="is not YAML"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("profile", ["poc", "prod"])
def test_profiles_give_valid_params_and_keep_comments(project_root: Path, tmp_path: Path, profile: str) -> None:
    params_file = tmp_path / "params.yaml"
    shutil.copy(project_root / "params.yaml", params_file)
    params = apply_profile(params_file, project_root / "infra" / "profiles", profile)
    assert params == load_params(params_file)
    assert params.profile == profile
    assert params.encode.num_frames == 49
    assert "# Every knob of an experiment." in params_file.read_text()


def test_an_unknown_profile_names_those_there_are(project_root: Path) -> None:
    with pytest.raises(MissingInputError) as error:
        load_overlay(project_root / "infra" / "profiles", "huge")
    assert error.value.hint == "the profiles are: champion, champion_more, cogvideox, poc, prod"
