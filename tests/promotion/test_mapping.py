"""From a 1.3B run's params to those of the 14B run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pvtt.params.file import Params, parse_params
from pvtt.params.profiles import overlaid_params
from pvtt.promotion.mapping import changes, describe_changes, promoted_params


@pytest.fixture
def poc(project_root: Path) -> Params:
    return overlaid_params(project_root / "params.yaml", project_root / "infra" / "profiles", "poc")


def with_values(params: Params, **train: object) -> Params:
    data = json.loads(params.model_dump_json(by_alias=True))
    data["train"] |= train
    return parse_params(data)


def test_of_the_profile_poc_it_makes_the_profile_prod(poc: Params, project_root: Path) -> None:
    prod = overlaid_params(project_root / "params.yaml", project_root / "infra" / "profiles", "prod")
    assert promoted_params(poc) == prod


def test_what_was_tried_on_the_small_model_is_kept(poc: Params) -> None:
    stage1 = poc.train.stage1.model_dump(mode="json") | {"steps": 3000}
    tried = with_values(poc, product_dropout=0.25, start="champion", stage1=stage1)

    promoted = promoted_params(tried)

    assert promoted.train.product_dropout == 0.25
    assert promoted.train.start == "base"  # a 1.3B model's weights do not fit
    assert promoted.train.stage1.steps == 6000
    assert promoted.train.stage1.lr == tried.train.stage1.lr
    assert promoted.decide == tried.decide


def test_every_change_is_named_with_its_reason(poc: Params) -> None:
    assert changes(poc)["train.stage2.steps"] == (20000, 40000)
    assert "model.base: models/wan2.1-t2v-1.3b → models/wan2.1-t2v-14b  (the base)" in describe_changes(poc)
    assert "train.start" not in describe_changes(poc)  # poc starts from the base as well
