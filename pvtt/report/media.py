"""Videos and photos as data URIs, within a budget, so that the page stays one file that a browser opens at once."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from pvtt.records.evaluation import EvaluatedSample

MAX_VIDEO_BYTES = 12_000_000  # of all videos; base64 adds a third, so the page stays below 20 MB
PHOTO_SIDE = 144  # pixels
NOT_SHOWN = ("mask", "untrained")  # kept for others than the report


def within_budget(samples: Sequence[EvaluatedSample], folder: Path, budget: int = MAX_VIDEO_BYTES) -> set[str]:
    """Keys of the samples, in their order, whose videos fit into the budget together."""
    chosen: set[str] = set()
    for sample in samples:
        if sample.key in chosen:
            continue
        size = sum((folder / path).stat().st_size for name, path in sample.videos.items() if name not in NOT_SHOWN)
        if size <= budget:
            budget -= size
            chosen.add(sample.key)
    return chosen


def video_uri(path: Path) -> str:
    """A video file as a data URI."""
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()


def photo_uri(path: Path) -> str:
    """A photo as a small PNG data URI; transparency stays."""
    from PIL import Image

    with Image.open(path) as image:
        image.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
        buffer = io.BytesIO()
        image.quantize(128).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
