"""CLIP-I and DINO: cosine similarity between the product in the output and the product's photos.

Both networks are read from local `transformers` folders (`evaluate.clip_weights`, `evaluate.dino_weights`). The product
is cropped to its bounding box with a margin, since the photos show the product alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from pvtt.errors import PvttError, first_line
from pvtt.evaluation.metrics.metric import Embedder, Metric, Scene
from pvtt.files.storage import raise_storage_fault
from pvtt.media.arrays import Frame, Region, Rgba, Video

if TYPE_CHECKING:
    from torch import Tensor

CROP_MARGIN = 0.1  # of the box's larger side


class ImageEmbedder:
    """Unit vectors for images.

    Args:
        processor: From images, (H, W, 3) uint8 RGB each, to the network's `pixel_values`.
        network: From `pixel_values` to `image_embeds`, or to `last_hidden_state`.
        kind: `clip` takes CLIP's projected image embedding; `dino` a vision transformer's class token.
        device: The device that the network is on.
    """

    def __init__(self, processor: Any, network: Any, kind: Literal["clip", "dino"], device: str = "cpu") -> None:
        self._processor = processor
        self._network = network
        self._kind = kind
        self._device = device

    @classmethod
    def load(cls, folder: Path, kind: Literal["clip", "dino"], device: str = "cpu") -> Self:
        """From a `transformers` folder with weights and `preprocessor_config.json`.

        Raises:
            PvttError: The folder cannot be loaded.
        """
        from transformers import AutoImageProcessor, AutoModel, CLIPVisionModelWithProjection

        loader: Any = CLIPVisionModelWithProjection if kind == "clip" else AutoModel
        try:
            processors: Any = AutoImageProcessor
            processor = processors.from_pretrained(folder, local_files_only=True, backend="pil")
            network, report = loader.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise_storage_fault(error, folder)
            raise PvttError(
                f"evaluate.{kind}_weights: cannot load {folder}: {first_line(error)}",
                "point it at a transformers folder with weights and preprocessor_config.json, or leave it out",
            ) from None
        require_weights(report, folder, kind)
        return cls(processor, network.to(device).eval().requires_grad_(False), kind, device)

    def __call__(self, images: Sequence[Frame]) -> Tensor:
        """(N, D) unit vectors of N images, (H, W, 3) uint8 RGB each."""
        import torch

        pixels = self._processor(images=list(images), return_tensors="pt")["pixel_values"].to(self._device)
        with torch.inference_mode():
            output = self._network(pixel_values=pixels)
            features: Tensor = output.image_embeds if self._kind == "clip" else output.last_hidden_state[:, 0]
        return torch.nn.functional.normalize(features.float(), dim=-1).cpu()


def require_weights(report: Mapping[str, Any], folder: Path, kind: Literal["clip", "dino"]) -> None:
    """Refuse a network some of whose weights are random: `transformers` fills in what a folder lacks.

    A pooling layer may lack them, since its output is not used.

    Raises:
        PvttError: Says how many.
    """
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if lacking:
        raise PvttError(
            f"evaluate.{kind}_weights: {folder} lacks {len(lacking)} weights, of {lacking[0]} for one", "fetch it again"
        )


def crop_product(video: Video, region: Region) -> list[Frame]:
    """The product's bounding box of each frame that shows it, with a margin."""
    crops = []
    for frame, inside in zip(video, region, strict=True):
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        if not len(rows):
            continue
        margin = round(CROP_MARGIN * max(rows[-1] - rows[0], columns[-1] - columns[0]))
        top, left = max(0, rows[0] - margin), max(0, columns[0] - margin)
        crops.append(frame[top : rows[-1] + margin + 1, left : columns[-1] + margin + 1])
    return crops


def on_white(photo: Rgba) -> Frame:
    """A photo (H, W, 4) RGBA over white, (H, W, 3)."""
    alpha = photo[..., 3:].astype(np.float32) / 255
    blended: Frame = np.rint(photo[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return blended


def product_similarity(video: Video, region: Region, photos: Sequence[Rgba], embedder: Embedder) -> float | None:
    """Mean cosine over all pairs of a frame's product and a photo, in [-1, 1]; None where no frame shows the product.

    Args:
        video: (F, H, W, 3).
        region: The product's, (F, H, W).
        photos: (H, W, 4) RGBA each, background removed.
        embedder: The network that turns an image into a unit vector.
    """
    return likeness(crop_product(video, region), photos, embedder)


def likeness(crops: Sequence[Frame], photos: Sequence[Rgba], embedder: Embedder) -> float | None:
    """Mean cosine over all pairs of a crop and a photo; None without either."""
    if not crops or not photos:
        return None
    return float((embedder(crops) @ embedder([on_white(photo) for photo in photos]).T).mean())


def _of_scene(scene: Scene, video: Video, embedder: Embedder | None) -> float | None:
    return None if embedder is None else product_similarity(video, scene.product, scene.photos, embedder)


METRICS = (
    Metric(
        name="clip_i",
        label="CLIP-I",
        says="product in the output against its photos",
        group="Is it that product?",
        unit="cosine",
        better="↑",
        target="params",
        measure=lambda scene, video: _of_scene(scene, video, scene.networks.clip),
        of_truth="the ceiling: the real video against the same photos",
        beside=("swapped", "mean_fill"),
    ),
    Metric(
        name="dino",
        label="DINO",
        says="product in the output against its photos",
        group="Is it that product?",
        unit="cosine",
        better="↑",
        target="params",
        measure=lambda scene, video: _of_scene(scene, video, scene.networks.dino),
        of_truth="the ceiling: the real video against the same photos",
        beside=("swapped", "mean_fill"),
    ),
)
