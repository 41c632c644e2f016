"""Stock pipelines of random weights: what they are given, and that a film is made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import WanVACEPipeline

from pvtt.encoding.collage import HoleShape
from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.contenders.contender import Setting, Task
from pvtt.evaluation.contenders.first_frame import FirstFrame
from pvtt.evaluation.contenders.stock import Kind, StockPipeline, StockSettings
from pvtt.evaluation.contenders.vace import Vace
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Video
from tests.evaluation.contenders.pipelines import save_image_to_video, save_vace
from tests.evaluation.contenders.scenes import Moving, filmed, task_of

SETTING = Setting(None, np.zeros(3, np.uint8), HoleShape("box", 0.06))  # type: ignore[arg-type]
SETTINGS = StockSettings(num_steps=2, guidance=3.0, seed=0, device="cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def vace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_vace(tmp_path_factory.mktemp("vace"))


@pytest.fixture(scope="module")
def image_to_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_image_to_video(tmp_path_factory.mktemp("i2v"))


@pytest.fixture
def task() -> Task:
    """The first 5 frames of a film, 32×48."""
    template, product = (one[:5, 30:62, 36:84] for one in filmed(Moving(2.0, 0.5)))
    return task_of(template, product)


def load(folder: Path, kind: Kind, tmp_path: Path, settings: StockSettings = SETTINGS) -> StockPipeline:
    return StockPipeline(folder, kind, "evaluate.routes.vace", settings, ItemCache(tmp_path / "cache"))


def film(route: Vace | FirstFrame, task: Task) -> Video:
    (video,) = route.videos([task], SETTING)
    assert video is not None
    assert (video.shape, video.dtype) == (task.template.shape, np.uint8)
    return video


def test_a_stock_vace_is_given_the_hole_and_the_photos_and_nothing_of_the_product(
    vace: Path, tmp_path: Path, task: Task
) -> None:
    route = Vace(load(vace, "WanVACEPipeline", tmp_path), base_is_one=False)
    assert "stock VACE" in route.says
    assert route.unmeasured == {}
    made = film(route, task)
    noise = np.random.default_rng(0).integers(0, 256, task.template.shape, dtype=np.uint8)
    hidden = replace(task, template=np.where(task.hole[..., None], noise, task.template))
    assert (film(route, hidden) == made).all()
    outside = replace(task, template=255 - task.template)
    recoloured = replace(task, photos=[photo[..., [2, 1, 0, 3]] for photo in task.photos])
    nobody = replace(task, photos=[])
    moved = replace(task, hole=np.roll(task.hole, 8, axis=2))
    retold = replace(task, caption="another")
    films = [made, *(film(route, other) for other in (outside, recoloured, nobody, moved, retold))]
    assert len({one.tobytes() for one in films}) == len(films)


def test_an_image_to_video_model_films_the_edited_first_frame(image_to_video: Path, tmp_path: Path, task: Task) -> None:
    route = FirstFrame(load(image_to_video, "WanImageToVideoPipeline", tmp_path))
    assert "image-to-video" in route.says
    made = film(route, task)
    later = replace(task, hole=task.hole & (np.arange(5) == 0)[:, None, None], template=255 - task.template)
    assert (film(route, later) == made).all()  # of the template it sees no more than the first frame
    empty = replace(task, collage=type(task.collage)(np.zeros_like(task.collage.layer)))
    assert (film(route, empty) != made).any()


def test_a_film_is_made_once_and_what_changes_it_makes_it_anew(
    vace: Path, tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = film(Vace(load(vace, "WanVACEPipeline", tmp_path), False), task)

    def sample(*_: object, **__: object) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(WanVACEPipeline, "__call__", sample)
    assert (film(Vace(load(vace, "WanVACEPipeline", tmp_path), False), task) == made).all()
    for change in ({"num_steps": 3}, {"guidance": 1.0}, {"seed": 1}):
        other = load(vace, "WanVACEPipeline", tmp_path, replace(SETTINGS, **change))
        with pytest.raises(AssertionError, match="made again"):
            Vace(other, False).videos([task], SETTING)
    with pytest.raises(AssertionError, match="made again"):
        Vace(load(vace, "WanVACEPipeline", tmp_path), False).videos([replace(task, key="B_001")], SETTING)


def test_another_kind_of_pipeline_and_a_damaged_one_are_one_line(
    vace: Path, image_to_video: Path, tmp_path: Path
) -> None:
    with pytest.raises(PvttError, match=r"routes\.vace: .* is a WanImageToVideoPipeline, not a WanVACEPipeline"):
        load(image_to_video, "WanVACEPipeline", tmp_path)
    with pytest.raises(MissingInputError):
        load(tmp_path / "nowhere", "WanVACEPipeline", tmp_path)
    damaged = save_vace(tmp_path / "damaged")
    (damaged / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(b"")
    with pytest.raises(PvttError, match="cannot load a WanVACEPipeline"):
        load(damaged, "WanVACEPipeline", tmp_path)


def test_without_a_folder_and_without_such_a_base_a_vace_is_not_measured() -> None:
    assert set(Vace(None, base_is_one=False).unmeasured) == {"train", "val", "test", "transfer"}
    assert Vace(None, base_is_one=True).unmeasured == {}
