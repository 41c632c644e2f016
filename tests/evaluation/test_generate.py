"""What the latents of a batch are kept by, and that damaged ones are made again."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pvtt.encoding.collage import HoleShape
from pvtt.evaluation.contenders.contender import Network
from pvtt.evaluation.contenders.model import Sampled
from pvtt.evaluation.evaluate import run_id
from pvtt.evaluation.generate import LATENTS_FILE, ConditionedSample, Generator, Pasting, given_photos, read_conditions
from pvtt.evaluation.samples import Windows
from pvtt.files import code
from pvtt.files.code import code_of
from pvtt.items.cache import ItemCache
from pvtt.models.loading import load_vae
from pvtt.params.file import Params
from pvtt.records.base import read_jsonl
from pvtt.records.dataset import ENCODED_FILE, EncodedSample
from tests.evaluated import EvaluatedProject

MakeGenerator = Callable[[Params], Generator]


@pytest.fixture
def make(evaluated_project: EvaluatedProject, tmp_path: Path) -> MakeGenerator:
    root = evaluated_project.workspace.root

    def generator(params: Params) -> Generator:
        model, base = root / "outs" / "train_stage2" / "model", root / "models" / "base"
        hashes: dict[Network, str] = {"model": "m" * 64, "champion": "c" * 64, "base": "b" * 64}
        return Generator(model, model, base, hashes, params, "cpu", ItemCache(tmp_path / "cache"))

    return generator


@pytest.fixture
def samples(evaluated_project: EvaluatedProject) -> list[ConditionedSample]:
    folder = evaluated_project.workspace.out("encode")
    return [read_conditions(folder, one) for one in read_jsonl(folder / ENCODED_FILE, EncodedSample)[:2]]


def with_changes(params: Params, section: str, **changes: object) -> Params:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=changes)})


def test_whatever_changes_latents_changes_their_key_and_the_run_id(
    evaluated_project: EvaluatedProject, make: MakeGenerator, samples: list[ConditionedSample]
) -> None:
    params = evaluated_project.params
    others = [
        params,
        with_changes(params, "evaluate", product_guidance=3.5),
        with_changes(params, "evaluate", num_steps=3),
        with_changes(params, "evaluate", strength=0.5),
        with_changes(params, "train", precision="bf16"),
        params.model_copy(update={"seed": 1}),
    ]
    assert len({make(one).key(samples, samples, "model") for one in others}) == len(others)
    assert len({run_id("m" * 64, "d" * 64, one) for one in others}) == len(others)


def test_samples_photos_network_and_threads_are_in_the_key(
    evaluated_project: EvaluatedProject, make: MakeGenerator, samples: list[ConditionedSample]
) -> None:
    generator = make(evaluated_project.params)
    keys = [
        generator.key(samples, samples, "model"),
        generator.key(samples[::-1], samples[::-1], "model"),
        generator.key(samples, samples[::-1], "model"),
        generator.key(samples, None, "model"),
        generator.key(samples, None, "base"),
        generator.key(samples, None, "champion"),
        *(generator.of_generation(number).key(samples, samples, "model") for number in (1, 2)),
    ]
    assert generator.of_generation(0).key(samples, samples, "model") == keys[0]
    torch.set_num_threads(2)
    try:
        keys.append(generator.key(samples, samples, "model"))
    finally:
        torch.set_num_threads(1)
    assert len(set(keys)) == len(keys)


def test_how_it_is_measured_is_in_neither_and_measuring_is_not_in_what_is_sampled(
    evaluated_project: EvaluatedProject, make: MakeGenerator, samples: list[ConditionedSample]
) -> None:
    params = evaluated_project.params
    measured_otherwise = with_changes(params, "evaluate", bootstrap=300, min_n=2, save_videos=0)
    assert make(params).key(samples, samples, "model") == make(measured_otherwise).key(samples, samples, "model")
    assert run_id("m" * 64, "d" * 64, params) == run_id("m" * 64, "d" * 64, measured_otherwise)


@pytest.mark.parametrize(
    ("file", "same"),
    [
        ("evaluation/metrics/colour.py", True),
        ("evaluation/contenders/paste.py", True),
        ("evaluation/summary.py", True),
        ("models/sampling.py", False),
        ("models/transformer.py", False),
        ("evaluation/generate.py", False),
    ],
)
def test_a_changed_source_file_is_seen_if_latents_depend_on_it(
    tmp_path: Path, project_root: Path, file: str, same: bool
) -> None:
    shutil.copytree(project_root / "pvtt", tmp_path / "pvtt", ignore=shutil.ignore_patterns("site", "__pycache__"))
    (tmp_path / "pvtt" / file).write_text((tmp_path / "pvtt" / file).read_text() + "# a comment\n")
    for works in ((Generator,), (Generator, Windows, Sampled)):  # of the latents' key, of the run id
        assert (code_of(*works, root=tmp_path) == code_of(*works, root=code.running_root())) == same


def test_another_products_photo_is_pasted_into_this_template(
    evaluated_project: EvaluatedProject, samples: list[ConditionedSample], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = samples
    vae = load_vae(evaluated_project.workspace.root / "models" / "base")
    assert given_photos([own], [own], vae)[0] is own.conditions
    (bare,) = given_photos([own], [other], vae)
    assert torch.equal(bare.photo_latents, other.conditions.photo_latents)
    assert torch.equal(bare.collage_latents, own.conditions.masked_latents)  # type: ignore[arg-type]

    frames, height, width = 4 * own.latents.shape[2] - 3, *(8 * side for side in own.latents.shape[3:])
    template, hole = np.full((frames, height, width, 3), 90, np.uint8), np.zeros((frames, height, width), np.bool_)
    hole[:, 8:-8, 16:-16] = True
    photo = np.zeros((64, 64, 4), np.uint8)
    photo[8:56, 8:56] = [200, 40, 40, 255]
    pasting = Pasting(template, template, hole, [photo], HoleShape("box", 0.03), 0.0)
    (pasted,) = given_photos([own], [replace(other, pasting=pasting)], vae)
    assert pasted.collage_mask is not None
    assert pasted.collage_mask.any()
    assert not torch.equal(pasted.collage_latents, own.conditions.masked_latents)  # type: ignore[arg-type]
    assert not torch.equal(pasted.collage_latents, other.conditions.collage_latents)  # type: ignore[arg-type]
    assert pasted.draft_latents is None

    drafts = given_photos([own, own], [replace(one, pasting=pasting) for one in (own, other)], vae, drafted=True)
    assert all(drawn.draft_latents is not None for drawn in drafts)
    assert torch.equal(drafts[0].collage_latents, own.conditions.collage_latents)  # type: ignore[arg-type]
    assert torch.equal(drafts[0].draft_latents, drafts[1].draft_latents)  # type: ignore[arg-type]  # of one pasting
    assert drafts[0].without_product().draft_latents is None
    monkeypatch.setattr(vae, "encode", None)
    (again,) = given_photos([own], [replace(own, pasting=pasting)], vae, drafted=True)  # what is known is not encoded
    assert torch.equal(again.draft_latents, drafts[0].draft_latents)  # type: ignore[arg-type]


def test_damaged_latents_are_made_again(
    evaluated_project: EvaluatedProject, make: MakeGenerator, samples: list[ConditionedSample], tmp_path: Path
) -> None:
    generator = make(evaluated_project.params)
    latents = generator.latents(samples, samples, "model")
    (kept,) = (tmp_path / "cache").rglob(LATENTS_FILE)
    whole = kept.read_bytes()
    for damage in (lambda: kept.write_bytes(whole[:-100]), lambda: kept.write_bytes(b""), kept.unlink):
        if kept.exists():
            kept.chmod(0o644)
        damage()
        torch.testing.assert_close(generator.latents(samples, samples, "model"), latents, rtol=0, atol=0)
        assert kept.read_bytes() == whole
