"""A small dataset on disk as clip, segment and photos leave it, with faults put in on demand."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pvtt.files.atomic import atomic_write_text
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params, parse_params
from pvtt.records.base import write_jsonl
from pvtt.records.catalog import MediaFile, Product, Reject
from pvtt.records.clips import Clip, Mask, Photo, PhotoSet

WHEN = "2026-01-05T10:00:00+00:00"
CATEGORIES = ("ring", "bracelet", "mug")


def params(**changes: Any) -> Params:
    """The tiny profile with changes to its `validate` section."""
    from ruamel.yaml import YAML

    root = Path(__file__).resolve().parents[2]
    data = YAML(typ="safe", pure=True).load((root / "params.yaml").read_text())
    data["validate"] |= changes
    return parse_params(data)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def medium(path: str, when: str = WHEN) -> MediaFile:
    return MediaFile(
        path=path, url=f"http://x/{path}", sha256=sha256(path), num_bytes=1, media_type="video/mp4", retrieved_at=when
    )


def product(product_id: str, category: str = "ring", when: str = WHEN, **changes: Any) -> Product:
    fields: dict[str, Any] = {
        "product_id": product_id,
        "title": f"{category} {product_id}",
        "category": category,
        "source": "shop",
        "page_url": f"http://x/{product_id}",
        "license": "CC0-1.0",
        "retrieved_at": when,
        "videos": (medium(f"products/{product_id}/media/v.mp4", when),),
        "photos": tuple(medium(f"products/{product_id}/media/p{index}.png", when) for index in range(3)),
    }
    return Product(**(fields | changes))


def photo_set(product_id: str, category: str = "ring", hashes: tuple[int, ...] | None = None) -> PhotoSet:
    """Photos with hashes of their own, unless `hashes` says otherwise."""
    if hashes is None:
        hashes = tuple(int(sha256(f"{product_id}/{index}")[:16], 16) for index in range(3))
    photos = tuple(
        Photo(
            path=f"photos/{product_id}/{index:02d}.png",
            sha256=sha256(f"content of photos/{product_id}/{index:02d}.png"),
            source_path=f"products/{product_id}/media/p{index}.png",
            source_sha256=sha256(f"products/{product_id}/media/p{index}.png"),
            perceptual_hash=f"{value:016x}",
            area=0.4,
        )
        for index, value in enumerate(hashes)
    )
    return PhotoSet(product_id=product_id, category=category, photos=photos)


class Rows:
    """The records of a dataset; change them, then `write` them with files to match."""

    def __init__(self, num_products: int, clips_each: int = 2) -> None:
        ids = [(f"JEWE{number:03d}", CATEGORIES[number % 3]) for number in range(1, num_products + 1)]
        self.products = [product(product_id, category) for product_id, category in ids]
        self.photo_sets = [photo_set(product_id, category) for product_id, category in ids]
        keys = [(*one, f"{number:03d}") for one in ids for number in range(1, clips_each + 1)]
        self.clips = [_clip(*key) for key in keys]
        self.masks = [_mask(clip) for clip in self.clips]
        self.rejects: dict[str, list[Reject]] = {"clip": [], "segment": [], "photos": []}

    def change(self, table: str, index: int, **changes: Any) -> None:
        """Replace fields of one record of `products`, `clips`, `masks` or `photo_sets`."""
        records = getattr(self, table)
        records[index] = records[index].model_copy(update=changes)

    def write(self, root: Path) -> Workspace:
        workspace = Workspace(root)
        for one in self.products:
            atomic_write_text(workspace.data / "products" / one.product_id / "product.json", one.to_json())
        write_jsonl(workspace.out("clip") / "clips.jsonl", self.clips)
        write_jsonl(workspace.out("segment") / "masks.jsonl", self.masks)
        write_jsonl(workspace.out("photos") / "photos.jsonl", self.photo_sets)
        for stage, rejects in self.rejects.items():
            write_jsonl(workspace.out(stage) / "rejects.jsonl", rejects)
        files = [("clip", clip.path) for clip in self.clips] + [("segment", mask.path) for mask in self.masks]
        files += [("photos", photo.path) for one in self.photo_sets for photo in one.photos]
        for stage, path in files:
            file = workspace.out(stage) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"content of {path}")
        return workspace


def _clip(product_id: str, category: str, clip_id: str) -> Clip:
    path = f"videos/{product_id}_{clip_id}.mp4"
    return Clip(
        product_id=product_id,
        clip_id=clip_id,
        category=category,
        caption=f"a {category} on a table",
        path=path,
        sha256=sha256(f"content of {path}"),
        source_path=f"products/{product_id}/media/v.mp4",
        source_sha256=sha256("source"),
        source_start_s=0,
        source_end_s=4,
        num_frames=48,
        fps=12,
        width=720,
        height=480,
    )


def _mask(clip: Clip) -> Mask:
    path = f"masks/{clip.key}.mkv"
    return Mask(
        product_id=clip.product_id,
        clip_id=clip.clip_id,
        path=path,
        sha256=sha256(f"content of {path}"),
        clip_sha256=clip.sha256,
        segmenter="u2netp-dis-1",
        num_frames=clip.num_frames,
        width=clip.width,
        height=clip.height,
        area_min=0.1,
        area_mean=0.2,
        area_max=0.3,
        border_fraction=0.0,
    )
