"""An evaluation from end to end, on a random model."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.contenders.all import others
from pvtt.evaluation.metrics.metric import Metric
from pvtt.evaluation.scores import all_scores
from pvtt.files.workspace import Workspace
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.media.video import probe, read_video
from pvtt.records.base import read_jsonl
from pvtt.records.dataset import TransferSet
from pvtt.records.evaluation import EvaluatedSample, read_metrics, read_run
from pvtt.records.parts import PARTS
from pvtt.stages import evaluate
from tests.evaluated import PRODUCTS, EvaluatedProject, build_project

ABSENT = ("champion", "vace")  # optional contenders; the third, `redrawn`, is here, as sampling starts from drafts


@pytest.fixture
def out(evaluated_project: EvaluatedProject) -> Path:
    return evaluated_project.workspace.out("evaluate")


@pytest.fixture
def samples(out: Path) -> list[EvaluatedSample]:
    return read_jsonl(out / "evaluated.jsonl", EvaluatedSample)


def is_here(score: Metric) -> bool:
    return not (score.optional and any(name in score.name for name in ABSENT))


def test_every_metric_stands_in_every_split_in_the_agreed_form(evaluated_project: EvaluatedProject) -> None:
    metrics = json.loads((evaluated_project.workspace.metrics / "evaluate.json").read_text())
    assert list(metrics) == ["run_id", *PARTS, "categories", "unmeasured"]
    assert metrics["run_id"] == read_run(evaluated_project.workspace.out("evaluate") / "run.json").run_id
    assert metrics["unmeasured"] == {}
    for part in PARTS:
        values = metrics[part]
        assert list(values) == [score.name for score in all_scores(part) if is_here(score)]
        for value in values.values():
            assert {"value", "low", "high", "n", "status"} <= set(value)
            assert set(value) <= {"value", "low", "high", "n", "chance", "target", "status"}
            assert value["status"] in ("pass", "fail", "measured", "not_measured", "too_few")
            assert (value["value"] is None) == (value["status"] in ("not_measured", "too_few"))
    test = metrics["test"]
    assert test["identity_top1"]["chance"] == 0.25
    assert test["identity_top1_ground_truth"]["value"] == 1
    assert test["psnr"]["target"] == 25.0
    assert test["psnr"]["low"] <= test["psnr"]["value"] <= test["psnr"]["high"]
    assert test["clip_i"] == {
        "value": None, "low": None, "high": None, "n": 0, "target": 0.8, "status": "not_measured"
    }  # fmt: skip
    assert test["outside_motion_error"]["value"] > 0  # judged before compositing
    assert metrics["val"]["psnr"]["status"] == "too_few"  # one product
    assert metrics["val"]["product_psnr_swapped"]["status"] == "not_measured"  # nobody to swap with


def test_transfers_have_figures_of_their_own(
    evaluated_project: EvaluatedProject, samples: list[EvaluatedSample], out: Path
) -> None:
    transfers = [sample for sample in samples if sample.track == "transfer"]
    assert {sample.product_id for sample in transfers} == set(PRODUCTS["test"])
    for sample in transfers:
        assert (sample.part, sample.split) == ("transfer", "test")
        assert sample.template_product_id != sample.product_id
        shown = {"generated", "ground_truth", "mask", "masked", "swapped", "template", "untrained"}
        assert set(sample.videos) == shown | ({"mean_fill"} if sample.to_rate else set())
        template, truth, generated, mask = (
            read_video(out / sample.videos[name]).astype(int)
            for name in ("template", "ground_truth", "generated", "mask")
        )
        inside, outside = mask.mean(-1) > 200, mask.mean(-1) < 50
        assert abs(template - truth)[inside].mean() > 10  # another product
        assert abs(template - truth)[outside].mean() < 4  # in the same shot
        assert abs(generated - template)[outside].mean() < 4
    metrics = read_metrics(evaluated_project.workspace.metrics / "evaluate.json")
    values = {name: metrics.get("transfer", name) for name in ("identity_top1_paste", "identity_template_paste")}
    assert {name: (found.value, found.n) for name, found in values.items() if found} == {
        "identity_top1_paste": (1.0, 4),  # the photos' product, and not the template's
        "identity_template_paste": (0.0, 4),
    }
    assert metrics.get("transfer", "identity_top1_ground_truth") == metrics.get("test", "identity_top1_ground_truth")
    assert metrics.get("test", "identity_template") is None
    for contender in others():
        found = metrics.get("transfer", f"product_psnr_{contender.name}")
        assert (found is None) == (contender.name in ABSENT)
    discs = metrics.categories["transfer"]["disc"]
    assert discs["product_psnr"] == metrics.get("transfer", "product_psnr")
    assert list(discs) == ["product_psnr", "product_delta_e", "identity_top1"]


def test_a_batch_that_fails_is_named_and_the_others_are_kept(
    evaluated_project: EvaluatedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root, ignore=shutil.ignore_patterns("cache"))
    workspace = Workspace(root)
    before = (workspace.metrics / "evaluate.json").read_bytes()
    generate, num_calls = ConditionedPipeline.generate, 0

    def once_not_finite(self: ConditionedPipeline, *arguments: Any) -> torch.Tensor:
        nonlocal num_calls
        num_calls += 1
        latents = generate(self, *arguments)
        return latents * float("nan") if num_calls == 1 else latents

    with monkeypatch.context() as patch:
        patch.setattr(ConditionedPipeline, "generate", once_not_finite)
        with pytest.raises(PvttError, match=r"evaluate: train-001: the model's output for .* is not finite"):
            evaluate.run(workspace, evaluated_project.params, InlineDispatcher())
    kept = num_calls
    monkeypatch.setattr(ConditionedPipeline, "generate", once_not_finite)
    evaluate.run(workspace, evaluated_project.params, InlineDispatcher())
    assert 0 < num_calls - kept < kept  # only that batch's
    assert (workspace.metrics / "evaluate.json").read_bytes() == before


def test_without_truths_the_transfers_are_not_measured_and_a_reason_stands(
    evaluated_project: EvaluatedProject, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    workspace = Workspace(root)
    nothing = TransferSet(entries=(), reason="no truth of a transfer: these are real films")
    (workspace.out("validate") / "transfers.json").write_text(nothing.to_json())
    (workspace.out("encode") / "transfers.jsonl").write_text("")
    evaluate.run(workspace, evaluated_project.params, InlineDispatcher())
    metrics = read_metrics(workspace.metrics / "evaluate.json")
    assert metrics.unmeasured == {"transfer": "no truth of a transfer: these are real films"}
    assert {value.status for value in metrics.transfer.values()} == {"not_measured"}
    assert metrics.categories["transfer"] == {}
    before = read_metrics(evaluated_project.workspace.metrics / "evaluate.json")
    assert (metrics.train, metrics.val, metrics.test) == (before.train, before.val, before.test)


def test_parts_that_are_not_asked_for_are_not_measured_and_a_reason_stands(
    evaluated_project: EvaluatedProject, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    workspace, params = Workspace(root), evaluated_project.params
    asked = params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"parts": ("test",)})})
    evaluate.run(workspace, asked, InlineDispatcher())
    metrics = read_metrics(workspace.metrics / "evaluate.json")
    assert metrics.unmeasured == dict.fromkeys(("train", "val", "transfer"), "evaluate.parts leaves it out")
    assert {value.status for value in (*metrics.train.values(), *metrics.transfer.values())} == {"not_measured"}
    # The mean fill has the training products' colour in it, whether or not they are measured.
    assert metrics.test == read_metrics(evaluated_project.workspace.metrics / "evaluate.json").test
    assert {path.name for path in (workspace.out("evaluate") / "videos").iterdir()} == {"test"}


def test_samples_carry_their_own_metrics(samples: list[EvaluatedSample]) -> None:
    assert {(sample.split, sample.product_id) for sample in samples} == {
        (split, product) for split, products in PRODUCTS.items() for product in products
    }
    for sample in samples:
        metrics = sample.metrics
        assert set(metrics) == {score.name for score in all_scores() if is_here(score)} - {"fvd"}
        if sample.split != "val":
            assert sample.swapped_product_id in PRODUCTS[sample.split]
            assert sample.swapped_product_id != sample.product_id
            assert metrics["leak_change"] is not None
            assert metrics["leak_change"] > 0  # the model sees the photos: its gates are open
            assert metrics["swap_gain"] == pytest.approx(metrics["product_psnr"] - metrics["product_psnr_swapped"])


def test_videos_of_samples_to_rate_and_of_the_worst_are_kept(samples: list[EvaluatedSample], out: Path) -> None:
    test = [sample for sample in samples if sample.part == "test"]
    assert sum(sample.to_rate for sample in test) == 2
    with_videos = {sample.key for sample in test if sample.videos}
    worst = sorted(test, key=lambda sample: sample.metrics["product_psnr"] or 0)[:2]
    assert with_videos == {sample.key for sample in test if sample.to_rate} | {sample.key for sample in worst}
    assert {path.parent.name for path in out.glob("videos/test/*/*.mp4")} == with_videos
    assert sum(sample.to_rate for sample in samples if sample.part == "transfer") == 2
    assert {sample.key for sample in samples if "mean_fill" in sample.videos} == {
        one.key for one in samples if one.to_rate
    }


def test_videos_play_and_show_what_they_are_named(samples: list[EvaluatedSample], out: Path) -> None:
    videos = next(sample.videos for sample in samples if sample.part == "test" and sample.videos)
    assert sorted(videos) == ["generated", "ground_truth", "mask", "masked", "mean_fill", "swapped"]
    for path in videos.values():
        info = probe(out / path)
        assert (info.codec, info.width, info.height) == ("h264", 432, 288)
    mask, masked, truth, generated = (
        read_video(out / videos[name]) for name in ("mask", "masked", "ground_truth", "generated")
    )
    hole = mask.mean(-1) > 200
    assert 0 < hole.mean() < 1
    assert abs(masked[hole].mean() - 127.5) < 3
    outside = mask.mean(-1) < 50
    assert abs(generated[outside].astype(int) - truth[outside]).mean() < 4  # the template's own pixels


def test_run_and_plots(out: Path, evaluated_project: EvaluatedProject) -> None:
    run = read_run(out / "run.json")
    assert run.fingerprint.weights == {"lpips": None, "clip": None, "dino": None, "fvd": None}
    assert run.fingerprint.versions["torch"] == torch.__version__.split("+")[0]
    protocol, params = run.fingerprint.protocol, evaluated_project.params
    assert protocol["mask.dilation"] == params.encode.mask.dilation
    assert (protocol["photo_size"], protocol["max_photos"]) == (params.encode.photo_size, params.encode.max_photos)
    assert protocol["precision"] == params.train.precision
    assert len(run.certified) >= 13
    rows = list(csv.DictReader((out / "metrics.csv").open()))
    assert {row["split"] for row in rows} == {"train", "test", "transfer"}
    assert ("test", "product_psnr") in {(row["split"], row["metric"]) for row in rows}
    progress = json.loads((evaluated_project.workspace.progress / "evaluate.json").read_text())
    assert progress["done"] == progress["total"] == 7  # batches of at most three samples of a part


def test_a_second_run_generates_nothing_and_gives_the_same_bytes(
    evaluated_project: EvaluatedProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    workspace = Workspace(root)
    before = {path: path.read_bytes() for path in workspace.out("evaluate").rglob("*") if path.is_file()}
    metrics = (workspace.metrics / "evaluate.json").read_bytes()
    shutil.rmtree(workspace.out("evaluate"))

    def generate(*_: object, **__: object) -> torch.Tensor:
        raise AssertionError("generated again")

    monkeypatch.setattr(ConditionedPipeline, "generate", generate)
    evaluate.run(workspace, evaluated_project.params, InlineDispatcher())
    assert {path: path.read_bytes() for path in workspace.out("evaluate").rglob("*") if path.is_file()} == before
    assert (workspace.metrics / "evaluate.json").read_bytes() == metrics
    assert read_metrics(workspace.metrics / "evaluate.json").get("test", "psnr") is not None


def test_the_champion_that_training_continued_stands_beside_the_model(
    evaluated_project: EvaluatedProject, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    workspace, params = Workspace(root), evaluated_project.params
    shutil.copytree(root / "outs" / "train_stage2" / "model", root / "models" / "champion")
    without = read_metrics(workspace.metrics / "evaluate.json").test
    assert not {"product_psnr_champion", "champion_gain"} & set(without)
    continued = params.model_copy(
        update={
            "model": params.model.model_copy(update={"champion": "models/champion"}),
            "train": params.train.model_copy(update={"start": "champion"}),
        }
    )
    evaluate.run(workspace, continued, InlineDispatcher())
    test = read_metrics(workspace.metrics / "evaluate.json").test
    assert test["product_psnr_champion"].value == test["product_psnr"].value == without["product_psnr"].value
    assert test["champion_gain"].value == 0  # the same weights
    assert read_run(workspace.out("evaluate") / "run.json").champion_sha256 is not None


def test_networks_that_are_there_are_measured(
    evaluated_project: EvaluatedProject, tmp_path: Path, alexnet: Path, clip_folder: Path, dino_folder: Path, i3d: Path
) -> None:
    root = tmp_path / "copy"
    shutil.copytree(evaluated_project.workspace.root, root)
    weights = {"lpips_weights": alexnet, "clip_weights": clip_folder, "dino_weights": dino_folder, "fvd_weights": i3d}
    changes = {name: str(path) for name, path in weights.items()} | {"fvd_min_n": 4}
    params = evaluated_project.params.model_copy(
        update={"evaluate": evaluated_project.params.evaluate.model_copy(update=changes)}
    )
    evaluate.run(Workspace(root), params, InlineDispatcher())
    metrics = read_metrics(root / "metrics" / "evaluate.json")
    for name in ("lpips", "product_lpips", "clip_i", "dino", "fvd"):
        measured = metrics.get("test", name)
        assert measured is not None
        assert measured.value is not None, name
        assert measured.n == 4
    few = metrics.get("val", "fvd")
    assert few is not None
    assert few.status == "too_few"
    assert all(read_run(root / "outs" / "evaluate" / "run.json").fingerprint.weights.values())


def test_missing_inputs_say_what_to_run(tmp_path: Path, evaluated_project: EvaluatedProject) -> None:
    with pytest.raises(MissingInputError) as error:
        evaluate.run(Workspace(tmp_path), evaluated_project.params, InlineDispatcher())
    assert "train_stage2" in (error.value.hint or "")


def test_a_named_but_missing_network_is_an_error(tmp_path: Path) -> None:
    project = build_project(tmp_path)
    settings = project.params.evaluate.model_copy(update={"clip_weights": "models/clip"})
    params = project.params.model_copy(update={"evaluate": settings})
    with pytest.raises(MissingInputError, match=r"evaluate\.clip_weights"):
        evaluate.run(project.workspace, params, InlineDispatcher())
