"""The routes that are sampled as the model is: `two_branch` and `ip_adapter`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pvtt.encoding.collage import HoleShape
from pvtt.evaluation.contenders.contender import Network, Setting, Task
from pvtt.evaluation.contenders.ip_adapter import CONDITIONING, IpAdapter
from pvtt.evaluation.contenders.motion import TemplateMotion
from pvtt.evaluation.contenders.two_branch import TwoBranch
from pvtt.evaluation.generate import ConditionedSample, Generator, Pasting
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Video
from pvtt.models.conditioning.conditions import Conditions
from pvtt.records.parts import PARTS
from tests.encoding.samples import tiny_encode_params
from tests.evaluation.contenders.pipelines import save_trained
from tests.evaluation.contenders.scenes import Moving, filmed, task_of
from tests.tiny_wan import TEXT_DIM, build_tiny_base
from tests.training.samples import tiny_params


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """From drafts, with a model of `ip_adapter` and one of `two_branch`."""
    torch.set_num_threads(1)
    folder, encode = tmp_path_factory.mktemp("models"), tiny_encode_params()
    base = build_tiny_base(folder / "base")
    model = save_trained(folder / "model", base, encode, ("mask_channels", "collage"))
    routes: dict[Network, Path] = {
        "ip_adapter": save_trained(folder / "tokens", base, encode, CONDITIONING),
        "two_branch": save_trained(folder / "moving", base, encode, ("mask_channels", "reference_frames")),
    }
    hashes: dict[Network, str] = {name: name for name in ("model", "base", *routes)}  # type: ignore[misc]
    params = tiny_params()
    settings = params.evaluate.model_copy(update={"num_steps": 2, "strength": 0.5})
    params = params.model_copy(update={"evaluate": settings})
    return Generator(model, None, base, hashes, params, "cpu", ItemCache(folder / "cache"), routes)


@pytest.fixture(scope="module")
def task() -> Task:
    """9 frames of 32×48."""
    template, product = (one[:, 30:62, 36:84] for one in filmed(Moving(2.0, 0.5)))
    task = task_of(template, product)
    random = torch.Generator().manual_seed(0)

    def normal(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=random)

    conditions = Conditions(
        mask=torch.ones(1, 4, 3, 4, 6),
        masked_latents=normal(1, 16, 3, 4, 6),
        photo_latents=normal(1, 2, 16, 4, 4),
        view_mask=torch.ones(1, 2, dtype=torch.bool),
        text=normal(1, 12, TEXT_DIM),
        collage_latents=normal(1, 16, 3, 4, 6),
        collage_mask=torch.ones(1, 4, 3, 4, 6),
    )
    pasting = Pasting(template, task.inpainted, task.hole, task.photos, HoleShape("box", 0.06), fill=0.0)
    sample = ConditionedSample(task.key, Path(__file__), conditions, normal(1, 16, 3, 4, 6), pasting)
    return replace(task, conditions=sample)


def film(route: TwoBranch | IpAdapter, task: Task, generator: Generator) -> Video:
    (video,) = route.videos([task], Setting(generator, np.zeros(3, np.uint8), HoleShape("box", 0.06)))
    assert video is not None
    assert (video.shape, video.dtype) == (task.template.shape, np.uint8)
    return video


def test_two_branch_starts_from_noise_that_moves_with_the_template(generator: Generator, task: Task) -> None:
    (from_draft,) = generator.videos([task.conditions], [task.conditions], network="model")
    moving = film(TwoBranch(None), task, generator)
    panned = replace(task, motion=TemplateMotion(*(one[:, 30:62, 36:84] for one in filmed(Moving(-3.0, 2.0)))))
    assert len({one.tobytes() for one in (from_draft, moving, film(TwoBranch(None), panned, generator))}) == 3
    assert (film(TwoBranch(None), task, generator) == moving).all()
    own = TwoBranch("0" * 64)
    assert (film(own, task, generator) != moving).any()
    assert ("not trained for it" in TwoBranch(None).says, "a model of its own" in own.says) == (True, True)
    setting = Setting(generator, np.zeros(3, np.uint8), HoleShape("box", 0.06))
    assert own.videos([replace(task, motion=None)], setting) == [None]


def test_ip_adapter_sees_the_photos_as_tokens_and_no_pasted_one(
    generator: Generator, task: Task, tmp_path: Path
) -> None:
    route = IpAdapter("0" * 64)
    made = film(route, task, generator)
    conditions = task.conditions.conditions

    pasted_otherwise = replace(conditions, collage_latents=-conditions.collage_latents)
    other_photos = replace(conditions, photo_latents=-conditions.photo_latents)
    for name, changed, is_seen in (("a", pasted_otherwise, False), ("b", other_photos, True)):
        path = tmp_path / name  # films are kept by the samples' files
        path.write_text(name)
        other = replace(task, conditions=replace(task.conditions, conditions=changed, path=path))
        assert (film(route, other, generator) != made).any() == is_seen


def test_without_a_model_an_ip_adapter_is_not_measured(generator: Generator, task: Task) -> None:
    route = IpAdapter(None)
    assert set(route.unmeasured) == set(PARTS)
    assert "evaluate.routes.ip_adapter names no folder" in route.unmeasured["test"]
    assert route.videos([task], Setting(generator, np.zeros(3, np.uint8), HoleShape("box", 0.06))) == [None]
