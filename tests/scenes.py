"""Small drawn product shots with their exact masks, for tests that need a video in a moment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pvtt.files.workspace import Workspace
from pvtt.media.arrays import MaskVideo, Video
from pvtt.media.video import write_video
from pvtt.params.file import Params, load_params
from pvtt.records.base import Record
from pvtt.records.catalog import MediaFile, Product

ROOT = Path(__file__).resolve().parents[1]
TIME = "2025-01-01T00:00:00Z"


def small_params() -> Params:
    """The project's params, for clips of 1 to 2 s at 192 by 128, 8 frames a second."""

    def change(section: Record, **values: object) -> Record:
        return section.model_copy(update=values)

    params = load_params(ROOT / "params.yaml")
    return params.model_copy(
        update={
            "clip": change(
                params.clip, min_seconds=1.0, max_seconds=2.0, min_short_side=128, width=192, height=128, fps=8.0
            ),
            "segment": change(params.segment, key_frame_every=16),
            "photos": change(params.photos, size=128, min_photos=2, max_photos=3),
        }
    )


def draw_shot(
    seed: int, num_frames: int, products: int = 1, width: int = 192, height: int = 128, size: float = 0.3
) -> tuple[Video, MaskVideo]:
    """A shot of `products` striped bottles sliding over a plain backdrop.

    Returns:
        Frames (F, H, W, 3) and masks (F, H, W), 255 = product.
    """
    rng = np.random.default_rng(seed)
    wall = rng.uniform(150, 230, 3) if seed % 2 else rng.uniform(20, 70, 3)
    shade = np.linspace(0.9, 1.1, height)[:, None, None]
    grain = rng.normal(0, 2, (height, width, 3))
    backdrop = np.clip(wall * shade + grain, 0, 255)
    colour, print_colour = rng.permutation([[200, 40, 40], [30, 60, 190], [230, 180, 30], [20, 140, 90]])[:2]
    frames, masks = [], []
    for index in range(num_frames):
        image, mask = backdrop.copy(), np.zeros((height, width), np.uint8)
        for number in range(products):
            x = round(width * (number + 1) / (products + 1) + 0.6 * (index - num_frames / 2))
            body = np.zeros_like(mask)
            half = round(size * height * 0.6)
            cv2.rectangle(
                body, (x - half, height // 2 - half // 2), (x + half, height // 2 + round(1.4 * half)), 255, -1
            )
            cv2.rectangle(body, (x - half // 3, height // 2 - half), (x + half // 3, height // 2), 255, -1)
            light = np.clip(1.2 - 0.5 * np.abs(np.arange(width) - x) / half, 0.3, 1.2)[None, :, None]
            stripes = ((np.arange(height) // 6) % 3 == 0)[:, None, None]
            painted = np.where(stripes, print_colour, colour) * light
            image = np.where(body[..., None] > 0, painted, image)
            mask |= body
        frames.append(np.clip(image, 0, 255).astype(np.uint8))
        masks.append(mask)
    return np.stack(frames), np.stack(masks)


def media_file(workspace: Workspace, product_id: str, content: bytes, suffix: str) -> MediaFile:
    """Put a file where the crawl puts it."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = f"products/{product_id}/media/{sha256[:16]}{suffix}"
    (workspace.data / path).parent.mkdir(parents=True, exist_ok=True)
    (workspace.data / path).write_bytes(content)
    kind = {".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg"}[suffix]
    url = f"http://shop.test/{path}"
    return MediaFile(path=path, url=url, sha256=sha256, num_bytes=len(content), media_type=kind, retrieved_at=TIME)


def video_bytes(folder: Path, shots: Sequence[Video], fps: float = 12.0) -> bytes:
    """The shots, cut together, as an .mp4."""
    path = folder / "source.mp4"
    write_video(path, np.concatenate(list(shots)), fps)
    return path.read_bytes()


def add_product(
    workspace: Workspace, product_id: str, videos: Sequence[bytes] = (), photos: Sequence[bytes] = ()
) -> Product:
    """A crawled product with these videos (.mp4) and photos (.png)."""
    product = Product(
        product_id=product_id,
        title=f"Bottle {product_id}",
        category="bottle",
        description="A striped bottle.",
        source="folder",
        page_url=f"http://shop.test/{product_id}",
        retrieved_at=TIME,
        videos=tuple(media_file(workspace, product_id, content, ".mp4") for content in videos),
        photos=tuple(media_file(workspace, product_id, content, ".png") for content in photos),
    )
    path = workspace.data / "products" / product_id / "product.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(product.to_json(indent=2))
    return product
