"""What CLIP and DINO see beside the photos' likeness: consistency over time, the product alone, and the caption.

The same networks as in `similarity`, from the same folders; CLIP's text half is read where the folder has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pvtt.errors import PvttError, first_line
from pvtt.evaluation.metrics.metric import Embedder, Metric, Scene
from pvtt.evaluation.metrics.similarity import crop_product, likeness, require_weights
from pvtt.files.storage import raise_storage_fault
from pvtt.media.arrays import Frame, Region, Rgba, Video

if TYPE_CHECKING:
    from torch import Tensor

MAX_TOKENS = 77  # that CLIP reads of a text
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")


class TextEmbedder:
    """Unit vectors for texts, in the space of CLIP's images.

    Args:
        tokenizer: From a text to the network's `input_ids` and `attention_mask`.
        network: From these to `text_embeds`.
        device: The device that it is on.
    """

    def __init__(self, tokenizer: Any, network: Any, device: str = "cpu") -> None:
        self._tokenizer = tokenizer
        self._network = network
        self._device = device

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self | None:
        """From a `transformers` folder of a whole CLIP with its tokenizer; None where it has CLIP's image half alone.

        Raises:
            PvttError: It cannot be loaded, or lacks some of the weights.
        """
        from transformers import AutoConfig, AutoTokenizer, CLIPTextModelWithProjection

        loader: Any = CLIPTextModelWithProjection
        configs: Any = AutoConfig
        tokenizers: Any = AutoTokenizer
        try:
            whole = configs.from_pretrained(folder, local_files_only=True).model_type == "clip"
            if not whole or not any((folder / name).is_file() for name in TOKENIZER_FILES):
                return None
            tokenizer = tokenizers.from_pretrained(folder, local_files_only=True)
            network, report = loader.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise_storage_fault(error, folder)
            raise PvttError(
                f"evaluate.clip_weights: cannot load {folder}'s text half: {first_line(error)}",
                "point it at a transformers folder of a whole CLIP, or of its image half alone",
            ) from None
        require_weights(report, folder, "clip")
        return cls(tokenizer, network.to(device).eval().requires_grad_(False), device)

    def __call__(self, text: str) -> Tensor:
        """(D,) of a text, of which 77 tokens are read."""
        import torch

        given = self._tokenizer([text], truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            output = self._network(**{name: value.to(self._device) for name, value in given.items()})
        return torch.nn.functional.normalize(output.text_embeds[0].float(), dim=-1).cpu()


def frame_consistency(images: Sequence[Frame], embedder: Embedder) -> float | None:
    """Mean cosine of each image and the next (Esser et al. 2023, section 4.1); None for fewer than two."""
    if len(images) < 2:
        return None
    vectors = embedder(images)
    return float((vectors[:-1] * vectors[1:]).sum(dim=-1).mean())


def subject_consistency(images: Sequence[Frame], embedder: Embedder) -> float | None:
    """Mean cosine of each image to the first and to the one before; None for fewer than two.

    VBench's *subject consistency* (Huang et al. 2024, appendix A), which looks at whole frames; here at the product's.
    """
    if len(images) < 2:
        return None
    vectors = embedder(images)
    to_first = vectors[1:] @ vectors[0]
    to_last = [float(before @ after) for before, after in pairwise(vectors)]
    return (float(to_first.mean()) + float(np.mean(to_last))) / 2


def product_alone(video: Video, region: Region) -> list[Frame]:
    """The product's box of each frame that shows it, with white around the product, as in its photos."""
    white = np.where(region[..., None], video, np.uint8(255))
    return crop_product(white, region)


def region_similarity(video: Video, region: Region, photos: Sequence[Rgba], embedder: Embedder) -> float | None:
    """R-CLIP and R-DINO (Wu et al. 2024, *MotionBooth*, section 4.1): the product without its surroundings, and photos.

    Arguments and None as `pvtt.evaluation.metrics.similarity.product_similarity`.
    """
    return likeness(product_alone(video, region), photos, embedder)


def _region(scene: Scene, video: Video, embedder: Embedder | None) -> float | None:
    return None if embedder is None else region_similarity(video, scene.product, scene.photos, embedder)


def _frames(scene: Scene, video: Video) -> float | None:
    return None if scene.networks.clip is None else frame_consistency(list(video), scene.networks.clip)


def _subject(scene: Scene, video: Video) -> float | None:
    dino = scene.networks.dino
    return None if dino is None else subject_consistency(crop_product(video, scene.product), dino)


def _caption(scene: Scene, video: Video) -> float | None:
    clip, text = scene.networks.clip, scene.networks.clip_text
    if clip is None or text is None or not scene.caption:
        return None
    return float((clip(list(video)) @ text(scene.caption)).mean())


METRICS = (
    Metric(
        name="r_clip",
        label="R-CLIP",
        says="as CLIP-I, the product without its surroundings",
        group="Is it that product?",
        unit="cosine",
        better="↑",
        measure=lambda scene, video: _region(scene, video, scene.networks.clip),
        of_truth="the ceiling: the real video against the same photos",
        beside=("swapped", "mean_fill"),
    ),
    Metric(
        name="r_dino",
        label="R-DINO",
        says="as DINO, the product without its surroundings",
        group="Is it that product?",
        unit="cosine",
        better="↑",
        measure=lambda scene, video: _region(scene, video, scene.networks.dino),
        of_truth="the ceiling: the real video against the same photos",
        beside=("swapped", "mean_fill"),
    ),
    Metric(
        name="clip_text",
        label="CLIP-text",
        says="the output's frames against the caption",
        group="Fidelity to the ground truth",
        unit="cosine",
        better="↑",
        measure=_caption,
        of_truth="what the real video has itself",
    ),
    Metric(
        name="clip_consistency",
        label="frame consistency, CLIP",
        says="each frame against the next",
        group="Motion",
        unit="cosine",
        better="↑",
        measure=_frames,
        of_truth="what the real video has itself",
    ),
    Metric(
        name="subject_consistency",
        label="subject consistency, DINO",
        says="the product of each frame against the first's and the one before's",
        group="Motion",
        unit="cosine",
        better="↑",
        measure=_subject,
        of_truth="what the real video has itself",
    ),
)
