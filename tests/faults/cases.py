"""Small workspaces, one a command, in which the command has work to do and old results to replace."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pvtt.files.hashing import sha256_file
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import read_catalog
from tests.scenes import add_product, draw_shot, small_params, video_bytes

FPS = 8.0


@dataclass(frozen=True)
class Case:
    """A command under test.

    Args:
        build: Makes the workspace; returns its params.
        arguments: Of `pvtt`.
        outs: What it publishes, below the workspace: each is changed at once or not at all.
        varying: Parts of paths in `outs` whose files differ from run to run.
        require_sound: Raises where the workspace is not as it must always be.
        walks: Whether a copy can go on from each of its writes. SQLite's mutexes, which it holds while it writes, are
            bound to the thread's id, which is another one in the copy.
    """

    build: Callable[[Path], Params]
    arguments: tuple[str, ...]
    outs: tuple[str, ...]
    varying: tuple[str, ...] = ()
    require_sound: Callable[[Path], None] | None = None
    walks: bool = True


def write_params(root: Path, params: Params) -> None:
    """The params as the workspace's `params.yaml`: JSON is YAML."""
    (root / "params.yaml").write_text(json.dumps(params.model_dump(mode="json", by_alias=True)))


def _cut_out_photo(seed: int) -> bytes:
    """A photo without its background: no network has to find the product."""
    from PIL import Image

    frames, masks = draw_shot(seed, 1)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([frames[0], masks[0]])).save(buffer, format="PNG")
    return buffer.getvalue()


def _clip(root: Path) -> Params:
    shots = [draw_shot(0, 10)[0], draw_shot(1, 9)[0]]
    add_product(Workspace(root), "BOTT001", [video_bytes(root, shots, FPS)])
    add_product(Workspace(root), "BOTT002", [video_bytes(root, shots[1:], FPS)])
    (root / "source.mp4").unlink()
    return small_params()


def _segment(root: Path) -> Params:
    from pvtt.dispatch.inline import InlineDispatcher
    from pvtt.stages import clip

    params = _clip(root)
    clip.run(Workspace(root), params, InlineDispatcher())
    return params


def _photos(root: Path) -> Params:
    add_product(Workspace(root), "BOTT001", photos=[_cut_out_photo(0), _cut_out_photo(1)])
    add_product(Workspace(root), "BOTT002", photos=[b"<html>"])
    return small_params()


def _validate(root: Path) -> Params:
    from tests.dataset.build import Rows, params

    Rows(12).write(root)
    return params()


def _encode(root: Path) -> Params:
    from tests.encoding.samples import tiny_encode_params, write_dataset, write_sample
    from tests.tiny_wan import build_tiny_base

    params = small_params()
    build_tiny_base(root / "models" / "base")
    entries = [write_sample(root, "DISC001"), write_sample(root, "DISC002", "val", num_frames=12)]
    write_dataset(Workspace(root), entries)
    model = params.model.model_copy(update={"base": "models/base"})
    return params.model_copy(update={"encode": tiny_encode_params(variants=1), "model": model})


def _train_stage1(root: Path) -> Params:
    from tests.training.samples import build_workspace, tiny_params

    build_workspace(root)
    return tiny_params(steps=2, validation_pictures=1)


def _train_stage2(root: Path) -> Params:
    from pvtt.dispatch.inline import InlineDispatcher
    from pvtt.stages import train_stage1

    params = _train_stage1(root)
    train_stage1.run(Workspace(root), params, InlineDispatcher())
    return params


def _evaluate(root: Path) -> Params:
    """As few writes of each kind as can be: one sample a part, but three of test.

    Products of test swap their photos, and of three samples only the worst two keep their videos.
    """
    from tests.evaluated import PRODUCTS, build_project

    products = {
        split: dict(itertools.islice(of_split.items(), 3 if split == "test" else 1))
        for split, of_split in PRODUCTS.items()
    }
    params = build_project(root, products).params
    changes = {"max_transfers": 1, "save_videos": 0, "strength": 1.0, "num_steps": 1, "bootstrap": 100}
    return params.model_copy(update={"evaluate": params.evaluate.model_copy(update=changes)})


def _decide(root: Path) -> Params:
    from tests.evaluated import build_evaluated_project

    return build_evaluated_project(root).params


def _report(root: Path) -> Params:
    from pvtt.dispatch.inline import InlineDispatcher
    from pvtt.stages import decide

    params = _decide(root)
    decide.run(Workspace(root), params, InlineDispatcher())
    return params


def _export(root: Path) -> Params:
    from tests.encoding.samples import write_sample

    entries = [write_sample(root, f"DISC00{number}", num_frames=4) for number in (1, 2)]
    write_jsonl(Workspace(root).out("validate") / "entries.jsonl", entries)
    return small_params()


def _crawl(root: Path) -> Params:
    for number in (1, 2):
        folder = root / "products" / f"BOTT00{number}"
        folder.mkdir(parents=True)
        (folder / "film.mp4").write_bytes(video_bytes(root, [draw_shot(number, 8)[0]], FPS))
        (folder / "photo.png").write_bytes(_cut_out_photo(number))
    (root / "source.mp4").unlink()
    return small_params()


def _whole_data(root: Path) -> None:
    """A product is there with all its media, or it is not there."""
    data = Workspace(root).data
    for product in read_catalog(data).values():
        for medium in (*product.videos, *product.photos):
            assert sha256_file(data / medium.path) == medium.sha256, medium.path


def _generate(root: Path) -> Params:
    """One shot of one window, and a product that is cut out already."""
    from tests.generation.ad.films import disc_shot, write_film, write_model, write_photos

    write_film(root / "ad.mp4", disc_shot(215, num_frames=5)[0])
    write_photos(root)
    write_model(root)
    return small_params()


CASES = {
    "crawl": Case(
        _crawl, ("crawl", "--source", "folder", "--start", "products"), (), require_sound=_whole_data, walks=False
    ),
    "clip": Case(_clip, ("clip",), ("outs/clip",)),
    "segment": Case(_segment, ("segment",), ("outs/segment",)),
    "photos": Case(_photos, ("photos",), ("outs/photos",)),
    "validate": Case(_validate, ("validate",), ("outs/validate", "metrics/validate.json"), varying=("data_docs",)),
    "encode": Case(_encode, ("encode",), ("outs/encode",)),
    "train_stage1": Case(_train_stage1, ("train_stage1",), ("outs/train_stage1", "metrics/train_stage1.json")),
    "train_stage2": Case(_train_stage2, ("train_stage2",), ("outs/train_stage2", "metrics/train_stage2.json")),
    "evaluate": Case(_evaluate, ("evaluate",), ("outs/evaluate", "metrics/evaluate.json")),
    "decide": Case(_decide, ("decide",), ("metrics/decision.json",)),
    "report": Case(_report, ("report",), ("outs/report",)),
    "generate": Case(
        _generate,
        (
            "generate",
            "--template",
            "ad.mp4",
            "--photos",
            "photo-0.png",
            "--model",
            "model",
            "--steps",
            "1",
            "-o",
            "new.mp4",
        ),
        ("new.mp4", "new.png", "new.json", "new.compare.mp4"),
    ),
    "export": Case(_export, ("export", "exported"), ("exported",)),
}
