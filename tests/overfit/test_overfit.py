"""Learning a few samples by heart, on drawn samples and the project's own small base."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from pvtt.cli.main import main
from pvtt.dispatch.inline import InlineDispatcher
from pvtt.encoding.store import read_variant
from pvtt.errors import ParamsError
from pvtt.files.hashing import sha256_tree
from pvtt.files.workspace import Workspace
from pvtt.overfit.result import CurvePoint, LearnedSample, OverfitResult, curve_of
from pvtt.overfit.scratch import OverfitSettings, choose_samples, overfit_job, write_samples
from pvtt.params.file import Params, load_params
from pvtt.records.base import write_jsonl
from pvtt.records.dataset import read_encoded
from pvtt.stages import encode
from tests.encoding.samples import tiny_encode_params, write_dataset, write_sample
from tests.training.ranks import train_together

COLOURS = {"RED001": (200, 40, 40), "GREEN002": (40, 160, 60), "BLUE003": (40, 60, 200)}


pytestmark = pytest.mark.usefixtures("one_thread")


def small_params(project: Path) -> Params:
    """The project's, at the size of the drawn samples."""
    params = load_params(project / "params.yaml")
    places = {"base": str(project / "models" / "wan-tiny")}
    return params.model_copy(
        update={
            "encode": tiny_encode_params(variants=2),
            "model": params.model.model_copy(update=places),
            "train": params.train.model_copy(update={"start": "base"}),
        }
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Workspace:
    """Encoded samples of three products."""
    root = tmp_path_factory.mktemp("overfit")
    workspace, params = Workspace(root), small_params(project_root)
    entries = [write_sample(root, product, colour=colour) for product, colour in COLOURS.items()]
    for stage in ("clip", "segment", "photos", "validate"):
        workspace.out(stage).mkdir(parents=True, exist_ok=True)
        write_jsonl(workspace.out(stage) / "rejects.jsonl", [])
    write_dataset(workspace, entries)
    workspace.params_file.write_text(params.model_dump_json(by_alias=True))
    encode.run(workspace, params, InlineDispatcher())
    return workspace


@pytest.fixture
def workspace(built: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(built.root, tmp_path / "workspace")
    monkeypatch.chdir(tmp_path / "workspace")
    return Workspace(tmp_path / "workspace")


def run(*arguments: str) -> int:
    """Exit code of `pvtt train overfit`."""
    try:
        main(["train", "overfit", *arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_what_is_not_learned_ends_with_a_code_of_its_own_and_says_what_to_try(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sha256_tree(workspace.root / "outs")

    assert run("--samples", "2", "--steps", "2", "--sampling-steps", "2", "--lr", "1e-4") == 10

    said = capsys.readouterr()
    assert "the samples are not learned" in said.err
    assert "next: " in said.err
    assert "--steps 4" in said.err or "raise --lr" in said.err
    assert "loss by step  1: " in said.out
    folder = workspace.state / "overfit"
    result = OverfitResult.from_json((folder / "overfit.json").read_text())
    assert (result.steps, len(result.samples), result.sampling_steps) == (2, 2, 2)
    assert [point.step for point in result.curve] == [1, 2]
    assert len({one.key.partition("_")[0] for one in result.samples}) == 2  # of two products
    assert 0 < result.generated < result.ceiling - 1 < 100
    picture = cv2.imread(str(folder / "overfit.png"))
    assert picture is not None
    assert picture.shape == (2 * 32, 3 * 48, 3)  # a row a sample: truth, ceiling, generated
    assert sha256_tree(workspace.root / "outs") == before

    assert run("--samples", "2", "--steps", "1", "--sampling-steps", "1", "--within", "99", "--out", "tried") == 0
    assert (workspace.root / "tried" / "overfit.json").is_file()


def test_more_samples_than_there_are_is_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--samples", "9") == ParamsError.exit_code
    assert "--samples 3" in capsys.readouterr().err


def test_one_variant_of_each_sample_is_learned_and_nothing_is_dropped(workspace: Workspace, tmp_path: Path) -> None:
    params = load_params(workspace.params_file)
    settings = OverfitSettings(samples=3, steps=30, seed=5)
    samples = choose_samples(workspace, settings)
    job = overfit_job(workspace, tmp_path / "work", params, settings, ranks=2)
    write_samples(job, workspace.out("encode"), samples)

    assert [sample.num_variants for sample in read_encoded(job.encoded)] == [1, 1, 1]
    for sample in samples:
        theirs = read_variant(workspace.out("encode"), sample)
        mine = read_variant(job.encoded, sample.model_copy(update={"num_variants": 1}))
        assert torch.equal(mine.latents, theirs.latents)
        assert torch.equal(mine.conditions.mask, theirs.conditions.mask)
    train = job.params.train
    assert (train.product_dropout, train.text_dropout, train.view_dropout) == (0, 0, 0)
    assert job.settings.batch_size == 4  # of three samples, spread over two processes
    assert job.settings.trainable == params.train.stage2.trainable
    assert train.loss == params.train.loss
    assert job.base == Path(params.model.base)


@pytest.mark.proof
def test_several_processes_learn_together_and_the_first_measures(workspace: Workspace, tmp_path: Path) -> None:
    arguments = ["--samples", "3", "--steps", "1", "--sampling-steps", "1", "--within", "99"]
    train_together(2, "ddp", lambda rank: main(["train", "overfit", *arguments]), tmp_path)
    result = OverfitResult.from_json((workspace.state / "overfit" / "overfit.json").read_text())
    assert len(result.samples) == 3
    assert (workspace.state / "overfit" / "overfit.png").is_file()
    said = [(tmp_path / f"rank-{rank}.log").read_text() for rank in range(2)]
    assert "1/1 steps" in said[0]
    assert "Traceback" not in said[0] + said[1]


def made(losses: list[float], generated: float = 20.0, **changes: Any) -> OverfitResult:
    values: dict[str, Any] = {
        "samples": (LearnedSample(key="A_001", generated=generated, ceiling=25.0),),
        "generated": generated,
        "ceiling": 25.0,
        "within_db": 1.0,
        "steps": 100,
        "lr": 1e-3,
        "seed": 0,
        "minutes": 1.5,
        "num_trainable": 1,
        "num_parameters": 2,
        "sampling_steps": 6,
        "curve": tuple(CurvePoint(step=n + 1, loss=loss, loss_region=loss) for n, loss in enumerate(losses)),
    }
    return OverfitResult(**(values | changes))


@pytest.mark.parametrize(
    ("losses", "first"),
    [
        ([1.0, 0.98, 0.97, 0.95], "raise --lr"),
        ([1.0, 0.6, 0.4, 0.2], "--steps 200"),
        ([1.0, 0.2, 0.11, 0.109], "a lower peak"),
    ],
)
def test_the_advice_reads_the_curve(losses: list[float], first: str) -> None:
    assert first in made(losses).advice()[0]


def test_learned_means_within_so_many_db() -> None:
    assert not made([1.0, 0.5], generated=23.9).is_learned
    assert made([1.0, 0.5], generated=24.1).is_learned
    assert made([1.0, 0.5], generated=26.0).is_learned
    assert made([1.0, 0.5], generated=23.9, within_db=2.0).is_learned


def test_the_curve_is_the_mean_between_its_points(tmp_path: Path) -> None:
    rows = [f"{step},{step},{2 * step}" for step in range(1, 101)]
    (tmp_path / "loss.csv").write_text("\n".join(["step,loss,loss_region", *rows]) + "\n")
    curve = curve_of(tmp_path / "loss.csv")
    assert [point.step for point in curve] == list(range(5, 101, 5))
    assert curve[0].loss == 3
    assert curve[-1].loss_region == 2 * 98
