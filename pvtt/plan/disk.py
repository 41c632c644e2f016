"""What a run puts on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pvtt.models.loading import FROZEN_PARTS
from pvtt.params.file import Params
from pvtt.plan.counts import Counts
from pvtt.plan.memory import TEXT_ENCODER_BYTES, checkpoint_bytes
from pvtt.plan.shape import GIB, Architecture, SampleShape

KEPT_CHECKPOINTS = 3  # the last two and the best; a fourth is there while it is written
PUBLISHED_FROZEN_BYTES = TEXT_ENCODER_BYTES + 508e6 + 25e6  # of Wan2.1: text encoder, VAE, tokenizer
MASK_CHANNELS = 4


@dataclass(frozen=True)
class Disk:
    """GiB.

    Args:
        encoded: Samples in `outs/encode`.
        checkpoints: Of the larger training, at most.
        models: What both trainings leave, frozen parts copied.
        cache: DVC's copies of what is in `outs`, where the file system cannot link.
    """

    encoded: float
    checkpoints: float
    models: float
    cache: float

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(asdict(self).values()))


def frozen_bytes(params: Params, root: Path) -> tuple[float, float]:
    """Of a base's frozen parts on disk, and of its text encoder in float32 memory: counted where the base is there."""
    base = root / params.model.base
    sizes = {
        part: sum(file.stat().st_size for file in (base / part).rglob("*") if file.is_file()) for part in FROZEN_PARTS
    }
    if not sizes["text_encoder"]:
        return PUBLISHED_FROZEN_BYTES, TEXT_ENCODER_BYTES
    return float(sum(sizes.values())), 2.0 * sizes["text_encoder"]  # stored with 2 or 4 bytes a weight


def sample_bytes(params: Params, shape: Architecture, sample: SampleShape, variants: int) -> float:
    """One encoded sample, as the table at the head of `pvtt/encoding/store.py` lists its tensors."""
    extras, channels = params.model.encoded_extras, shape.latent_channels
    of_video = 2 * channels + 1 + MASK_CHANNELS
    of_video += channels if "template" in extras else 0
    of_video += channels + MASK_CHANNELS if "collage" in extras else 0
    of_video += channels + 64 if "context" in extras else 0
    of_video += 1 if params.encode.point_tracks else 0
    values = of_video * sample.latent_cells + channels * sample.photo_cells
    if "context" in extras:
        frame = sample.latent_cells // ((params.encode.num_frames - 1) // 4 + 1)
        values += params.encode.max_photos * channels * frame
    if params.encode.image_features != "vae":
        values += params.encode.max_photos * 257 * 1280
    if params.encode.image_features == "clip_dino":
        values += params.encode.max_photos * 257 * 768
    stored = 2 if params.encode.dtype == "bfloat16" else 4
    return float(stored * (variants * values + params.encode.text_tokens * shape.text_dim))


def disk_of(
    params: Params, shape: Architecture, sample: SampleShape, counts: Counts, clips: int, frozen: float
) -> Disk:
    """Of a whole run.

    Args:
        params: The profile's.
        shape: The base's.
        sample: `sample_shape(params)`.
        counts: Of the model.
        clips: Of the dataset.
        frozen: Bytes of the base's frozen parts.
    """
    trained = round(params.validate_.split_ratios[0] * clips)
    encoded = trained * sample_bytes(params, shape, sample, params.encode.variants)
    encoded += (clips - trained) * sample_bytes(params, shape, sample, 1)
    checkpoints = (KEPT_CHECKPOINTS + 1) * checkpoint_bytes(params, max(counts.trainable))
    models = 2 * (4 * counts.total + frozen)
    return Disk(encoded / GIB, checkpoints / GIB, models / GIB, (encoded + models) / GIB)
