"""Whole training runs on a random tiny base."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch
from safetensors.torch import load_file, save_file

from pvtt.dispatch.inline import InlineDispatcher
from pvtt.errors import MissingInputError, ParamsError, PvttError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.flow_matching import noisy_latents, sigmas_at, timesteps_of, velocity_target
from pvtt.models.transformer import is_product_parameter
from pvtt.params.file import Params
from pvtt.params.train import TrainParams
from pvtt.records.training import TrainingMetrics
from pvtt.stages import train_stage1, train_stage2
from pvtt.training.dataset import Batch
from pvtt.training.job import TrainJob, training_key
from pvtt.training.losses import region_error, velocity_loss
from pvtt.training.objective import Loss
from tests.random_trunks import save_trunk
from tests.training.samples import tiny_params, write_foreign

HERE = InlineDispatcher()


def read_rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def transformer_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")


def test_both_stages_leave_a_complete_result(workspace: Workspace) -> None:
    params = tiny_params(steps=4, validation_pictures=1)
    train_stage1.run(workspace, params, HERE)
    train_stage2.run(workspace, params, HERE)
    base = transformer_weights(workspace.root / "models" / "base")
    first, second = (transformer_weights(workspace.out(stage) / "model") for stage in ("train_stage1", "train_stage2"))

    declared = json.loads((workspace.out("train_stage1") / "trainable.json").read_text())
    assert set(declared["names"]) == {name for name in first if is_product_parameter(name)}
    assert declared["num_trainable"] == sum(first[name].numel() for name in declared["names"])
    for name, weight in base.items():
        assert torch.equal(first[name], weight), name  # stage 1 changes only what is declared
    changed = [name for name in base if not torch.equal(second[name], base[name])]
    assert any(".attn1." in name for name in changed)
    assert not any(name.startswith(("condition_embedder.", "proj_out.")) for name in changed)

    for stage in ("train_stage1", "train_stage2"):
        out = workspace.out(stage)
        for part in ("vae", "text_encoder", "tokenizer", "scheduler"):
            assert sha256_tree(out / "model" / part) == sha256_tree(workspace.root / "models" / "base" / part)
        pipeline = ProductVideoPipeline.from_pretrained(out / "model")
        assert pipeline.config.photo_size == params.encode.photo_size
        rows = read_rows(out / "loss.csv")
        assert [row["step"] for row in rows] == [1, 2, 3, 4]
        assert list(rows[0]) == ["step", "loss", "loss_region", "lr", "grad_norm"]
        validation = read_rows(out / "validation.csv")
        assert sorted({row["step"] for row in validation}) == [0, 3, 4]
        assert len({row["sigma"] for row in validation}) == 5
        metrics = TrainingMetrics.from_json((workspace.metrics / f"{stage}.json").read_text())
        assert metrics.steps == 4
        assert metrics.samples_seen == 16
        assert metrics.validation_loss == pytest.approx(sum(row["loss"] for row in validation[-5:]) / 5)
        picture = cv2.imread(str(out / "samples" / "step-000004.png"))
        assert picture is not None
        assert picture.shape == (32, 3 * 48, 3)  # masked, generated, truth
    progress = json.loads((workspace.progress / "train_stage2.json").read_text())
    assert (progress["done"], progress["total"], progress["unit"]) == (4, 4, "steps")
    # Stage 2 starts from what stage 1 shipped, so the same validation gives the same loss.
    ends = read_rows(workspace.out("train_stage1") / "validation.csv")[-5:]
    starts = read_rows(workspace.out("train_stage2") / "validation.csv")[:5]
    assert [row["loss"] for row in ends] == [row["loss"] for row in starts]


def test_training_learns(workspace: Workspace) -> None:
    stage = {"batch_size": 12, "lr": 1e-2, "validate_every": 60, "checkpoint_every": 60, "trainable": ["*"]}
    params = tiny_params(steps=60, stage=stage)
    train_stage1.run(workspace, params, HERE)
    rows = read_rows(workspace.out("train_stage1") / "loss.csv")
    first, last = (sum(row["loss_region"] for row in part) / 10 for part in (rows[:10], rows[-10:]))
    assert last < 0.8 * first
    validation = read_rows(workspace.out("train_stage1") / "validation.csv")
    assert all(after["loss"] < before["loss"] for before, after in zip(validation[:5], validation[-5:], strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_runs_are_equal_bit_for_bit(workspace: Workspace, precision: str) -> None:
    params = tiny_params(steps=3, precision=precision)
    hashes = []
    for _ in range(2):
        train_stage1.run(workspace, params, HERE)
        hashes.append(sha256_tree(workspace.out("train_stage1")))
    assert hashes[0] == hashes[1]


def test_the_untrained_model_has_the_bases_loss(workspace: Workspace) -> None:
    """At step 0 neither photos nor mask matter: dropping them changes no bit of the validation loss."""
    train_stage1.run(workspace, tiny_params(steps=1), HERE)
    before = read_rows(workspace.out("train_stage1") / "validation.csv")[:5]
    for path in (workspace.out("encode") / "samples").glob("VAL*"):
        tensors = load_file(path)
        for name in ("mask", "masked_latents", "photo_latents"):
            tensors[name] = torch.zeros_like(tensors[name])
        save_file(tensors, path)
    train_stage1.run(workspace, tiny_params(steps=1), HERE)
    assert read_rows(workspace.out("train_stage1") / "validation.csv")[:5] == before


def continuing(params: Params, champion: str = "models/champion") -> Params:
    model = params.model.model_copy(update={"champion": champion})
    return params.model_copy(update={"model": model, "train": params.train.model_copy(update={"start": "champion"})})


def test_training_continues_the_champion(workspace: Workspace) -> None:
    params = tiny_params(steps=2)
    train_stage1.run(workspace, params, HERE)
    champion = workspace.root / "models" / "champion"
    shutil.copytree(workspace.out("train_stage1") / "model", champion)
    ended = read_rows(workspace.out("train_stage1") / "validation.csv")[-5:]
    train_stage1.run(workspace, continuing(params), HERE)
    assert read_rows(workspace.out("train_stage1") / "validation.csv")[:5] == [row | {"step": 0} for row in ended]
    trained = transformer_weights(workspace.out("train_stage1") / "model")
    before = transformer_weights(champion)
    declared = json.loads((workspace.out("train_stage1") / "trainable.json").read_text())["names"]
    assert all(torch.equal(trained[name], before[name]) == (name not in declared) for name in before)


def test_a_champion_of_another_kind_is_refused(workspace: Workspace) -> None:
    params = tiny_params(steps=1)
    train_stage1.run(workspace, params, HERE)
    champion = workspace.root / "models" / "champion"
    shutil.copytree(workspace.out("train_stage1") / "model", champion)
    other = params.model_copy(update={"model": params.model.model_copy(update={"conditioning": ("mask_channels",)})})
    with pytest.raises(PvttError, match="is conditioned by mask_channels, reference_frames, collage, and") as refused:
        train_stage1.run(workspace, continuing(other), HERE)
    assert "train.start=base" in str(refused.value.hint)
    weights = champion / "vae" / "diffusion_pytorch_model.safetensors"
    changed = load_file(weights)
    save_file({name: tensor + 1 for name, tensor in changed.items()}, weights)
    with pytest.raises(PvttError, match="differ in their vae"):
        train_stage1.run(workspace, continuing(params), HERE)
    with pytest.raises(MissingInputError, match="models/none does not exist"):
        train_stage1.run(workspace, continuing(params, "models/none"), HERE)


def test_a_champion_may_lack_parts_that_are_new(workspace: Workspace) -> None:
    """They start without effect: the first held-out losses are the champion's last."""
    params = tiny_params(steps=2)
    fewer = ("mask_channels", "reference_frames")
    before = params.model_copy(update={"model": params.model.model_copy(update={"conditioning": fewer})})
    train_stage1.run(workspace, before, HERE)
    shutil.copytree(workspace.out("train_stage1") / "model", workspace.root / "models" / "champion")
    ended = read_rows(workspace.out("train_stage1") / "validation.csv")[-5:]
    train_stage1.run(workspace, continuing(params), HERE)
    assert read_rows(workspace.out("train_stage1") / "validation.csv")[:5] == [row | {"step": 0} for row in ended]
    config = json.loads((workspace.out("train_stage1") / "model" / "transformer" / "config.json").read_text())
    assert config["conditioning"] == ["mask_channels", "reference_frames", "collage"]


def losses_of(workspace: Workspace, params: Params) -> list[dict[str, float]]:
    train_stage1.run(workspace, params, HERE)
    return read_rows(workspace.out("train_stage1") / "loss.csv")


def test_accumulated_and_checkpointed_gradients_are_those_of_the_whole_batch(workspace: Workspace) -> None:
    whole = losses_of(workspace, tiny_params(steps=3, stage={"batch_size": 4}))
    parts = losses_of(workspace, tiny_params(steps=3, stage={"batch_size": 2, "gradient_accumulation": 2}))
    saving = losses_of(workspace, tiny_params(steps=3, gradient_checkpointing=True))
    for one, two, three in zip(whole, parts, saving, strict=True):
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=1e-4), name
            assert three[name] == pytest.approx(value, rel=1e-6), name


def test_what_is_off_changes_no_bit_of_a_training(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history equals that of a loop whose loss knows nothing but the velocity."""
    params = tiny_params(steps=4, loss={"region": 2.0})

    def velocity_alone(model: Any, batch: Batch, settings: TrainParams, _: Any) -> Loss:
        sigmas = sigmas_at(batch.quantiles, settings.sigma_sampling, settings.sigma_shift)
        noisy = noisy_latents(batch.latents, batch.noise, sigmas)
        output = model(hidden_states=noisy, timestep=timesteps_of(sigmas), conditions=batch.conditions)
        target = velocity_target(batch.latents, batch.noise)
        total = velocity_loss(output.sample, target, 2.0 * batch.region)
        return Loss(total, {"region": region_error(output.sample.detach(), target, batch.region)})

    full = losses_of(workspace, params)
    monkeypatch.setattr("pvtt.training.loop.evaluate_loss", velocity_alone)
    assert losses_of(workspace, params) == full


def test_a_batch_without_another_product_cannot_be_contrasted(workspace: Workspace) -> None:
    with pytest.raises(ParamsError, match=r"train\.stage1\.batch_size 1 leaves 1 a process"):
        train_stage1.run(workspace, tiny_params(loss={"contrastive": 1.0}, stage={"batch_size": 1}), HERE)


def test_tracked_points_that_are_not_there_say_how_to_get_them(workspace: Workspace) -> None:
    with pytest.raises(ParamsError, match="encoded without tracked points") as error:
        train_stage1.run(workspace, tiny_params(loss={"point_patch": 1.0}), HERE)
    assert "encode.point_tracks" in str(error.value.hint)


def test_a_perceptual_loss_needs_local_weights_and_trains_with_them(workspace: Workspace) -> None:
    with pytest.raises(MissingInputError, match=r"train\.perceptual\.weights is not set") as error:
        train_stage1.run(workspace, tiny_params(loss={"perceptual": 1.0}), HERE)
    assert "lpips_vgg" in str(error.value.hint)
    save_trunk("alex", workspace.root)
    network = {"network": "lpips_alex", "weights": "alex.pth", "max_sigma": 1.0}
    params = tiny_params(steps=2, loss={"perceptual": 0.5}, perceptual=network)
    key = training_key(TrainJob(workspace, "train_stage1", params))
    rows = losses_of(workspace, params)
    assert rows[0]["loss"] == pytest.approx(rows[0]["loss_velocity"] + 0.5 * rows[0]["loss_perceptual"], rel=1e-5)
    assert rows[0]["loss_perceptual"] > 0
    (workspace.root / "alex.pth").write_bytes(b"other weights")
    assert training_key(TrainJob(workspace, "train_stage1", params)) != key


def test_a_model_is_held_to_its_base_on_foreign_clips(workspace: Workspace) -> None:
    params = tiny_params(steps=3, loss={"foreign_preservation": 0.5}, stage={"trainable": ["blocks.*"]})
    with pytest.raises(MissingInputError, match=r"foreign\.jsonl does not exist"):
        train_stage1.run(workspace, params, HERE)
    write_foreign(workspace.out("encode"))
    key = training_key(TrainJob(workspace, "train_stage1", params))
    rows = losses_of(workspace, params)
    assert rows[0]["loss_foreign_preservation"] == 0  # the base itself
    assert rows[2]["loss_foreign_preservation"] > 0
    for row in rows:
        total = row["loss_velocity"] + 0.5 * row["loss_foreign_preservation"]
        assert row["loss"] == pytest.approx(total, rel=1e-5)
    # The second stage is held to the base too, not to the first stage's model.
    second = tiny_params(steps=1, loss={"foreign_preservation": 0.5})
    train_stage2.run(workspace, second, HERE)
    assert read_rows(workspace.out("train_stage2") / "loss.csv")[0]["loss_foreign_preservation"] > 0

    without = tiny_params(steps=3)
    plain = training_key(TrainJob(workspace, "train_stage2", without))
    config = workspace.root / "models" / "base" / "transformer" / "config.json"
    config.write_text(config.read_text() + "\n")
    assert training_key(TrainJob(workspace, "train_stage2", without)) == plain
    assert training_key(TrainJob(workspace, "train_stage1", params)) != key


def test_all_loss_terms_train_and_are_logged(workspace: Workspace) -> None:
    terms = {"temporal_difference": 0.5, "stca": 0.1, "preservation": 0.5, "outside": 0.3, "inside": 0.2}
    weights = {"region": 1.0, "contrastive": 0.4} | terms
    rows = losses_of(workspace, tiny_params(steps=2, loss=weights, gradient_checkpointing=True))
    parts = ("velocity", *terms, "contrastive")
    assert set(rows[0]) == {"step", "loss", "loss_region", *(f"loss_{part}" for part in parts), "lr", "grad_norm"}
    for row in rows:
        total = row["loss_velocity"] + sum(weights[part] * row[f"loss_{part}"] for part in parts[1:])
        assert row["loss"] == pytest.approx(total, rel=1e-5)


def test_a_loss_that_is_not_finite_names_the_sample(workspace: Workspace) -> None:
    path = workspace.out("encode") / "samples" / "TRAIN003_001.safetensors"
    tensors = load_file(path)
    tensors["latents"][:] = torch.nan
    save_file(tensors, path)
    with pytest.raises(
        PvttError, match=r"train_stage1: the loss is not finite at step [12], for TRAIN003_001$"
    ) as error:
        train_stage1.run(workspace, tiny_params(steps=2, stage={"batch_size": 6}), HERE)
    assert "lower train.stage1.lr" in str(error.value.hint)
    assert not workspace.out("train_stage1").exists()


def test_a_pattern_that_matches_nothing_stops_before_training(workspace: Workspace) -> None:
    params = tiny_params()
    stage1 = params.train.stage1.model_copy(update={"trainable": ("blocks.*.part.*",)})
    params = params.model_copy(update={"train": params.train.model_copy(update={"stage1": stage1})})
    near = r"'blocks\.\*\.part\.\*' matches no parameter; the nearest names are blocks\.\*\.parts"
    with pytest.raises(ParamsError, match=near):
        train_stage1.run(workspace, params, HERE)


@pytest.mark.parametrize(
    ("missing", "stage", "hint"),
    [
        ("outs/encode/encoded.jsonl", train_stage1, "dvc repro encode"),
        ("models/base/model_index.json", train_stage1, "model.base"),
        ("outs/encode/mask_contract.json", train_stage1, "pvtt encode"),
        ("outs/encode/crop_contract.json", train_stage1, "pvtt encode"),
        ("outs/train_stage1/model", train_stage2, "train_stage1"),
    ],
)
def test_a_missing_input_says_what_to_run(workspace: Workspace, missing: str, stage: Any, hint: str) -> None:
    (workspace.root / missing).unlink(missing_ok=True)
    with pytest.raises(MissingInputError) as error:
        stage.run(workspace, tiny_params(), HERE)
    assert hint in str(error.value.hint)


def test_without_validation_samples_there_is_no_validation_loss(workspace: Workspace) -> None:
    index = workspace.out("encode") / "encoded.jsonl"
    index.write_text("".join(line for line in index.read_text().splitlines(keepends=True) if '"val"' not in line))
    train_stage1.run(workspace, tiny_params(steps=1, validation_pictures=2), HERE)
    assert (workspace.out("train_stage1") / "validation.csv").read_text() == "step,sigma,loss,loss_region\n"
    metrics = TrainingMetrics.from_json((workspace.metrics / "train_stage1.json").read_text())
    assert metrics.validation_loss is metrics.best_validation_loss is metrics.best_validation_step is None


def test_a_job_can_be_pickled(workspace: Workspace) -> None:
    job = TrainJob(workspace, "train_stage1", tiny_params())
    assert pickle.loads(pickle.dumps(job)) == job


def test_wandb_keeps_an_offline_record(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    train_stage1.run(workspace, tiny_params(steps=2, wandb="offline"), HERE)
    assert "W&B is off" not in capsys.readouterr().err
    (record,) = (workspace.state / "wandb").glob("offline-run-*/run-*.wandb")
    assert record.stat().st_size > 0
