"""A small project in which some masks and cut-outs are doubtful."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from pvtt.files.workspace import Workspace
from pvtt.media.masks import write_masks
from pvtt.media.video import write_video
from pvtt.records.base import write_jsonl
from pvtt.records.clips import Clip, Confidence, Mask, Photo, PhotoSet
from tests.scenes import add_product, draw_shot

SURE = Confidence(stability=1.0, agreement=1.0, area=1.0, border=1.0, objects=1.0, people=1.0)
COUNTS = {"num_frames": 8, "width": 192, "height": 128}


def sha256(text: str) -> str:
    """Some content's."""
    return hashlib.sha256(text.encode()).hexdigest()


def doubtful_project(root: Path) -> Workspace:
    """Three clips, one of them sure, and two photos, one of them sure."""
    (root / "params.yaml").write_text("{}\n")
    workspace = Workspace(root)
    frames, shapes = draw_shot(0, 8)
    for stage in ("clip/videos", "segment/masks", "photos/photos/A"):
        (root / "outs" / stage).mkdir(parents=True)
    Image.fromarray(frames[0]).save(root / "front.png")
    products = [add_product(workspace, name, photos=[(root / "front.png").read_bytes()]) for name in "AB"]
    clips, masks = [], []
    for name, agreement in [("A", 0.75), ("B", 0.6), ("C", 1.0)]:
        clips.append(
            Clip(
                product_id=name, clip_id="001", category="bottle", caption="a bottle", path=f"videos/{name}_001.mp4",
                sha256=sha256(f"clip of {name}"), source_path=f"products/{name}/media/v.mp4", source_sha256="0" * 64,
                source_start_s=0, source_end_s=1, fps=8, **COUNTS,
            )
        )  # fmt: skip
        masks.append(
            Mask(
                product_id=name, clip_id="001", path=f"masks/{name}_001.mkv", sha256=sha256(f"mask of {name}"),
                clip_sha256=clips[-1].sha256, segmenter="u2netp-1+dis-1", area_min=0.1, area_mean=0.1, area_max=0.1,
                border_fraction=0, **COUNTS, confidence=SURE.model_copy(update={"agreement": agreement}),
                doubts=() if agreement == 1.0 else ("agreement",),
            )
        )  # fmt: skip
        write_video(workspace.out("clip") / clips[-1].path, frames, fps=8)
        write_masks(workspace.out("segment") / masks[-1].path, shapes, fps=8)
    photos = [
        Photo(
            path=f"photos/A/{number:02d}.png", sha256=sha256(f"cut-out {number}"), source_sha256="0" * 64,
            source_path=products[0].photos[0].path, perceptual_hash="0" * 16, area=0.2, doubts=doubts,
        )
        for number, doubts in enumerate([("cut_off", "unsure"), ()], 1)
    ]  # fmt: skip
    for photo in photos:
        Image.fromarray(np.dstack([frames[0], shapes[0]])).save(workspace.out("photos") / photo.path)
    write_jsonl(workspace.out("clip") / "clips.jsonl", clips)
    write_jsonl(workspace.out("segment") / "masks.jsonl", masks)
    write_jsonl(
        workspace.out("photos") / "photos.jsonl", [PhotoSet(product_id="A", category="bottle", photos=tuple(photos))]
    )
    return workspace
