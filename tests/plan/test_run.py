"""`pvtt plan`: every shipped profile on every shipped Slurm profile, and what is said where one does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pvtt.cli.main import main
from pvtt.dispatch.profile import SlurmProfile, load_profile
from pvtt.errors import MissingInputError
from pvtt.params.file import Params, load_params, parse_params
from pvtt.params.profiles import overlaid_params, profile_names
from pvtt.plan.counts import count
from pvtt.plan.result import RunPlan
from pvtt.plan.run import plan_run
from pvtt.plan.shape import architecture, base_config, count_parameters, published_config
from pvtt.plan.text import describe_run
from pvtt.stages.all import PROFILE_PARTS

PROJECT = Path(__file__).resolve().parents[2]
PROFILES, SLURM = PROJECT / "infra" / "profiles", PROJECT / "infra" / "slurm"
NAMES = ["tiny", *profile_names(PROFILES)]
PLACES = sorted(file.name for file in SLURM.glob("*.yaml"))
# What does not go together, and a word of why.
REFUSED = {
    (name, "local.yaml"): "hours, a job may take"  # one core
    for name in ("champion", "champion_more", "cogvideox", "poc", "prod")
}


@pytest.fixture(autouse=True)
def unsharded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PVTT_ACCELERATE_CONFIG", raising=False)


def params_of(name: str) -> Params:
    if name == "tiny":
        return load_params(PROJECT / "params.yaml")
    return overlaid_params(PROJECT / "params.yaml", PROFILES, name)


def changed(params: Params, **sections: dict[str, Any]) -> Params:
    data = json.loads(params.model_dump_json(by_alias=True))
    for name, values in sections.items():
        for key, value in values.items():
            data[name][key] = data[name][key] | value if isinstance(value, dict) else value
    return parse_params(data)


def place_of(name: str, **run: Any) -> SlurmProfile:
    profile = load_profile(SLURM / name, PROFILE_PARTS)
    return profile.model_copy(update={"run": profile.run.model_copy(update=run)})


def planned(params: Params, place: SlurmProfile) -> RunPlan:
    return plan_run(params, place, "a place", PROJECT)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_pair_fits_or_says_why_not(name: str, place: str) -> None:
    plan = plan_run(params_of(name), place_of(place), place, PROJECT)
    text = describe_run(plan)
    assert max(map(len, text.splitlines())) <= 100
    if (name, place) in REFUSED:
        assert any(REFUSED[name, place] in fault.what for fault in plan.faults)
        assert all(fault.change for fault in plan.faults)
        assert "does not fit: " in text
    else:
        assert plan.faults == ()
        assert text.endswith("it fits")
    assert all(stage.hours > 0 for stage in plan.stages)
    assert [stage.name for stage in plan.stages] == [
        "encode", "validate", "train_stage1", "train_stage2", "evaluate", "generate",
    ]  # fmt: skip


def test_parameters_are_those_of_the_committed_run() -> None:
    params = params_of("tiny")
    counts = count(params, base_config(params, PROJECT)[0])
    for number, stage in enumerate(("train_stage1", "train_stage2")):
        measured = json.loads((PROJECT / "metrics" / f"{stage}.json").read_text())
        assert (counts.total, counts.trainable[number]) == (measured["num_parameters"], measured["num_trainable"])


def test_of_an_adapter_its_own_parameters_are_trained() -> None:
    params, config = params_of("poc"), published_config("poc")
    whole = count(params, config)
    adapted = count(changed(params, train={"stage2": {"lora": {"rank": 16}}}), config)
    width = config["num_attention_heads"] * config["attention_head_dim"]
    # A and B beside q, k, v and the output of both attentions of each block
    assert adapted.trainable == (whole.trainable[0], config["num_layers"] * 8 * 16 * 2 * width)
    assert (adapted.total, adapted.block) == (whole.total, whole.block)


@pytest.mark.parametrize("name", ["poc", "prod"])
def test_the_meta_device_and_the_gate_s_arithmetic_agree(name: str) -> None:
    params, config = params_of(name), published_config(name)
    base, added = count_parameters(architecture(config), params)
    counts = count(params, config)
    assert (counts.total, counts.product) == (base + added, added)


def test_14b_is_sharded_and_the_variable_is_named() -> None:
    plan = planned(params_of("prod"), place_of("h800.yaml"))
    assert plan.sharded
    assert "PVTT_ACCELERATE_CONFIG=infra/accelerate/fsdp2.yaml" in plan.notes[0]
    assert not planned(params_of("poc"), place_of("h800.yaml")).sharded


@pytest.mark.parametrize(
    ("name", "change", "run", "what", "then"),
    [
        ("prod", {}, {"nodes": 2}, "batch_size 8 cannot be spread over 16", "train.stage1.batch_size: 16"),
        ("poc", {"train": {"stage1": {"batch_size": 4}}}, {}, "batch_size 4 cannot be spread over 8", "batch_size: 8"),
        ("poc", {"train": {"gradient_checkpointing": False}}, {}, "GiB a GPU", "gradient_checkpointing: true"),
        ("prod", {"train": {"optimizer": "muon"}}, {}, "GiB a GPU", "train.optimizer: adamw"),
        ("prod", {"evaluate": {"batch_size": 16}}, {}, "evaluate needs", "evaluate.batch_size: 1"),
        ("prod", {}, {"memory_gb_per_node": 400}, "of its own memory", "run.memory_gb_per_node"),
        ("poc", {}, {"minutes": 60}, "train_stage1 takes", "run.minutes"),
        ("poc", {"train": {"loss": {"contrastive": 0.1}}}, {}, "train.loss.contrastive", "batch_size: 16"),
    ],
)
def test_what_does_not_fit_says_what_to_change(
    name: str, change: dict[str, Any], run: dict[str, Any], what: str, then: str
) -> None:
    place = place_of("h800.yaml", **run)
    if "minutes" in run:
        place = place.model_copy(update={"requeue": place.requeue.model_copy(update={"max_timeouts": 0})})
    plan = planned(changed(params_of(name), **change), place)
    assert any(what in fault.what and then in fault.change for fault in plan.faults), plan.faults


@pytest.mark.parametrize(
    ("name", "change", "then"),
    [
        ("cogvideox", {"encode": {"text_tokens": 512}}, "encode.text_tokens: 226"),
        ("cogvideox", {"train": {"attention": "flash"}}, "train.attention: auto"),
        ("prod", {"model": {"base": "models/wan2.1-i2v-14b"}}, "encode.image_features: clip"),
        (
            "prod",
            {"model": {"base": "models/wan2.1-i2v-14b"}, "encode": {"image_features": "clip", "mask": {"fill": -1}}},
            "fill: 0",
        ),
        (
            "prod",
            {"model": {"base": "models/wan2.1-i2v-14b"}, "encode": {"image_features": "clip", "text_tokens": 226}},
            "tokens: 512",
        ),
    ],
)
def test_what_a_base_was_not_trained_with_is_refused(name: str, change: dict[str, Any], then: str) -> None:
    faults = planned(changed(params_of(name), **change), place_of("h800.yaml")).faults
    assert [fault.change for fault in faults if then in fault.change], faults


def test_muon_and_fsdp2_refuse_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVTT_ACCELERATE_CONFIG", "infra/accelerate/fsdp2.yaml")
    faults = planned(params_of("tiny"), place_of("h800.yaml")).faults
    assert [fault.change for fault in faults] == ["train.optimizer: adamw"]


def test_more_of_what_costs_time_takes_more_time() -> None:
    params, place = params_of("poc"), place_of("h800.yaml")
    steps = planned(params, place).stages[2].step_seconds
    longer = planned(changed(params, encode={"num_frames": 97}), place).stages[2].step_seconds
    recomputed = planned(changed(params, train={"gradient_checkpointing": False}), place).stages[2].step_seconds
    assert steps is not None
    assert longer is not None
    assert recomputed is not None
    assert recomputed < steps
    assert longer > 2 * steps  # attention grows with the square


def test_a_base_that_is_not_there_and_not_published_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError):
        base_config(params_of("tiny"), tmp_path)


def test_the_command_plans_without_writing_and_ends_with_9_where_it_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    for folder in (PROFILES, SLURM):
        shutil.copytree(folder, tmp_path / "infra" / folder.name)
    monkeypatch.chdir(tmp_path)
    main(["plan", "--profile", "poc", "--clips", "2000", "--json"])
    plan = json.loads(capsys.readouterr().out)
    assert (plan["fits"], plan["clips"], plan["clips_from"]) == (True, 2000, "--clips")
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--profile", "poc", "--slurm", "infra/slurm/local.yaml"])
    assert ended.value.code == 9
    shown = capsys.readouterr()
    assert "does not fit: " in shown.out
    assert "profile poc doesn't fit infra/slurm/local.yaml" in shown.err
    assert (tmp_path / "params.yaml").read_text() == (PROJECT / "params.yaml").read_text()
