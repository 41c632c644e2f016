"""One clip with its masks and photos → the tensors of a training step, so that it touches only the transformer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor

from pvtt.encoding.collage import HoleShape, collage
from pvtt.encoding.collage_tensors import collage_fields, collage_video
from pvtt.encoding.masks import (
    conditioning_mask,
    fill_hole,
    latent_region,
    pack_mask,
    product_mask,
    unpack_mask,
    with_shape_gap,
)
from pvtt.encoding.pairing import pair_references
from pvtt.encoding.photos import read_photos
from pvtt.encoding.points import point_patches, track_points
from pvtt.encoding.store import TENSORS_FILE, write_tensors
from pvtt.encoding.variants import Variant, draw_variants
from pvtt.encoding.windows import (
    UnusableClipError,
    WindowPair,
    read_coverage,
    read_transfer,
    read_transfers,
    read_windows,
    window_starts,
)
from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_bytes
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import FrameRegion, MaskVideo, Rgba
from pvtt.media.cutouts import encode_png
from pvtt.media.masks import read_masks
from pvtt.models.conditioning.photo_features import (
    CANVAS_BACKGROUND,
    VAE_BACKGROUND,
    PhotoNetwork,
    encode_canvases,
    encode_photos,
    flatten_photo,
    load_photo_networks,
)
from pvtt.models.loading import load_text_encoder, load_vae
from pvtt.models.text import encode_text
from pvtt.models.vae import encode_video, quicken_encoder, to_unit_range
from pvtt.params.encode import EncodeParams
from pvtt.params.model import EncodedExtra
from pvtt.records.base import Record
from pvtt.records.dataset import DatasetEntry, EncodedSample, OtherClip


class EncodeJob(Record):
    """One sample to encode. Places on this machine stay out of its JSON, so that the item cache can move."""

    entry: DatasetEntry
    seed: int
    extras: tuple[EncodedExtra, ...] = ()
    gap: DatasetEntry | None = None  # a sample of another category, whose outline shape gaps have
    others: tuple[OtherClip, ...] = ()  # of the same product: they stand in where no photo may be given
    root: Path = Field(exclude=True)
    base: Path = Field(exclude=True)


def encode_item(job: EncodeJob, directory: Path, params: EncodeParams) -> EncodedSample:
    """Encode one sample into `TENSORS_FILE` in `directory`; references that are cut out of films go beside it.

    Raises:
        ItemRejectedError: The clip gives no window, or nothing may be given of its product.
        PvttError: A file is damaged or missing.
    """
    with one_thread():
        return _encode_item(job, directory, params)


def _encode_item(job: EncodeJob, directory: Path, params: EncodeParams) -> EncodedSample:
    encoders = load_encoders(job.base, params.image_features, params.image_encoder, params.dino_encoder)
    entry = job.entry
    try:
        coverage = read_coverage(entry, job.root, params)
        references = pair_references(entry, job.others, coverage, job.root, params)
        tensors, num_windows = encode_sample(
            entry, job.root, params, job.seed, encoders, job.extras, job.gap, references.pictures, coverage
        )
    except UnusableClipError as error:
        raise ItemRejectedError(error.reason, error.message) from None
    paths = [entry.photo_paths[place] for place in references.photos]
    hashes = [entry.photo_sha256s[place] for place in references.photos]
    for number, picture in enumerate(references.pictures if references.clips else (), start=1):
        png = encode_png(picture)
        (directory / reference_file(number)).write_bytes(png)
        paths.append(f"outs/encode/samples/{entry.key}/{reference_file(number)}")
        hashes.append(sha256_bytes(png))
    write_tensors(directory / TENSORS_FILE, tensors)
    channels, frames, height, width = tensors["latents"].shape[1:]
    return EncodedSample(
        split=entry.split,
        product_id=entry.product_id,
        clip_id=entry.clip_id,
        category=entry.category,
        caption=entry.caption,
        path=f"samples/{entry.key}.safetensors",
        num_variants=len(tensors["latents"]),
        num_views=tensors["photo_latents"].shape[1],
        latent_shape=(channels, frames, height, width),
        num_windows=num_windows,
        track=entry.track,
        photo_paths=tuple(paths),
        photo_sha256s=tuple(hashes),
        own_moments=tuple(entry.photo_paths[place] for place in references.own_moments),
        reference_clips=references.clips,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread in the block, whoever calls.

    How many share a convolution decides over its last bits, and one process a core or one for all shall give equal
    bytes.
    """
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def reference_file(number: int) -> str:
    """Where an item has a reference that is cut out of a film; from 1 on."""
    return f"{number:02d}.png"


@dataclass(frozen=True)
class Encoders:
    """The frozen networks of a base."""

    vae: Any  # AutoencoderKLWan
    tokenizer: Any
    text_encoder: Any  # UMT5EncoderModel
    photo_networks: dict[str, PhotoNetwork]  # by the tensor that each makes


@lru_cache(maxsize=1)
def load_encoders(
    base: Path, image_features: str, image_encoder: str | None, dino_encoder: str | None = None
) -> Encoders:
    """Load a base's frozen networks in float32, once a process, on the GPU if there is one.

    Raises:
        MissingInputError: `clip` or `clip_dino` without its folder; otherwise as `pvtt.models.loading`.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    vae = quicken_encoder(load_vae(base).to(device))
    tokenizer, text_encoder = load_text_encoder(base)
    networks = load_photo_networks(image_features, image_encoder, dino_encoder, device)
    return Encoders(vae, tokenizer, text_encoder.to(device), networks)


def encode_sample(
    entry: DatasetEntry,
    root: Path,
    params: EncodeParams,
    seed: int,
    encoders: Encoders,
    extras: Sequence[EncodedExtra] = (),
    gap: DatasetEntry | None = None,
    photos: Sequence[Rgba] | None = None,
    coverage: MaskVideo | None = None,
) -> tuple[dict[str, Tensor], int]:
    """Encode a sample.

    Args:
        entry: The sample; only those of `train` get more variants than one.
        root: The workspace's root, which the entry's paths are relative to.
        params: Size, length, number of variants and masks of the samples.
        seed: Seed of the variants' random draws.
        encoders: The networks that turn pixels and text into latents and tokens.
        extras: What to encode beside what every model reads. With `template` every variant is a transfer: a template
            that is its own truth would teach a model to copy it.
        gap: A sample of another category, whose outline shape gaps have.
        photos: What it is given of its product, (S, S, 4) each; None: the entry's photos.
        coverage: `read_coverage` of the entry, where that is at hand.

    Returns:
        The tensors that `pvtt.encoding.store` lists, all of `params.dtype`, and how many windows the variants draw
        from.

    Raises:
        UnusableClipError: The clip gives no window, or the sample has no template and `extras` asks for it.
        PvttError: A file is damaged or missing.
    """
    photos = read_photos(entry, root, params.max_photos) if photos is None else photos
    if entry.track == "transfer":
        pair, num_windows = read_transfer(entry, root, params, photos)
        variants, pairs = draw_variants(entry.key, [0], params, 1, seed), [pair]
    else:
        coverage = read_coverage(entry, root, params) if coverage is None else coverage
        starts = window_starts(coverage, params)
        num_variants = params.variants if entry.split == "train" else 1
        share = 0.0 if entry.template is None else params.transfer
        all_transfers, has_gap = "template" in extras, gap is not None
        variants = draw_variants(entry.key, starts, params, num_variants, seed, share, all_transfers, has_gap)
        pairs, num_windows = _read_pairs(entry, root, params, coverage, variants, photos), len(starts)
    outline = None if gap is None else largest_outline(read_masks(root / gap.mask_path))

    dtype = getattr(torch, params.dtype)
    with torch.inference_mode(), precision(encoders.vae.device.type, dtype):
        encoded = [
            _encode_variant(pair, variant, photos, params, encoders, extras, outline if variant.gap else None)
            for pair, variant in zip(pairs, variants, strict=True)
        ]
        text = encode_text([entry.caption], encoders.tokenizer, encoders.text_encoder, params.text_tokens)[0]
    tensors = {name: torch.stack([one[name].cpu() for one in encoded]) for name in encoded[0]} | {"text": text.cpu()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise PvttError(f"{entry.key}: {name} is not finite", "the base's VAE or text encoder overflows: check it")
    return {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}, num_windows


@contextmanager
def precision(device_type: str, dtype: torch.dtype) -> Iterator[None]:
    """Autocast to `dtype` in the block; float32 is float32, without the ten bits of TF32 that a GPU's convolutions have
    otherwise."""
    lowered = dtype != torch.float32
    with (
        torch.autocast(device_type, dtype, enabled=lowered),
        torch.backends.cudnn.flags(allow_tf32=lowered, deterministic=True, benchmark=False),
    ):
        yield


def _read_pairs(
    entry: DatasetEntry,
    root: Path,
    params: EncodeParams,
    coverage: MaskVideo,
    variants: Sequence[Variant],
    photos: Sequence[Rgba],
) -> list[WindowPair]:
    """A variant's truth and its template: the same window, or, in a transfer, the same shot with another product.

    A transfer's hole covers the old product and has room for the new one.
    """
    own = [number for number, variant in enumerate(variants) if not variant.transfer]
    others = [number for number, variant in enumerate(variants) if variant.transfer]
    pairs: dict[int, WindowPair] = {}
    if own:
        windows = read_windows(root / entry.clip_path, params, coverage, [variants[number].place for number in own])
        pairs |= {
            number: WindowPair(window, window, window.product) for number, window in zip(own, windows, strict=True)
        }
    if others:
        places = [variants[number].place for number in others]
        pairs |= dict(zip(others, read_transfers(entry, root, params, coverage, places, photos), strict=True))
    return [pairs[number] for number in range(len(variants))]


def _encode_variant(
    pair: WindowPair,
    variant: Variant,
    photos: Sequence[Rgba],
    params: EncodeParams,
    encoders: Encoders,
    extras: Sequence[EncodedExtra],
    outline: FrameRegion | None,
) -> dict[str, Tensor]:
    covered = pair.covered if outline is None else with_shape_gap(pair.covered, outline)
    mask = conditioning_mask(covered, variant.shape, params.mask.dilation)
    video, shown = (
        to_unit_range(torch.from_numpy(variant.colour.apply(window.pixels))[None])
        for window in (pair.truth, pair.template)
    )
    masked = fill_hole(shown, torch.from_numpy(mask)[None, None], params.mask.fill)
    changed = [change.apply(variant.colour.apply(photo)) for change, photo in zip(variant.photos, photos, strict=False)]
    videos, made = [video, masked], None
    if "collage" in extras:
        template = variant.colour.apply(pair.template.pixels)
        if variant.own_collage is not None:
            made = variant.own_collage.make(variant.colour.apply(pair.truth.pixels), pair.truth.coverage)
        else:
            made = collage(template, mask, changed, HoleShape(variant.shape.kind, params.mask.dilation))
        videos.append(collage_video(made, template, mask, params.mask.fill))
    latents, masked_latents, *others = encode_video(encoders.vae, torch.cat(videos))  # one alone takes as long as two

    def views(background: int) -> npt.NDArray[np.uint8]:
        return np.stack([flatten_photo(photo, params.photo_size, background) for photo in changed])

    tensors = {
        "latents": latents,
        "masked_latents": masked_latents,
        "mask": pack_mask(mask),
        "region": latent_region(pair.truth.coverage),
        "photo_latents": encode_photos(encoders.vae, views(VAE_BACKGROUND)).float(),
    }
    if params.point_tracks > 0:
        tracks = track_points(pair.truth.pixels, pair.truth.product, params.point_tracks)
        tensors["point_patches"] = point_patches(tracks, params.height, params.width)
    for name, network in encoders.photo_networks.items():
        tensors[name] = network(views(network.background)).float()
    if "template" in extras:
        tensors["template_latents"] = encode_video(encoders.vae, shown)[0]
    if made is not None:
        tensors |= collage_fields(made, mask, others[0], masked_latents)
    if "context" in extras:
        canvases = np.stack([flatten_photo(photo, min(mask.shape[1:]), CANVAS_BACKGROUND) for photo in changed])
        tensors |= {
            "context_mask": unpack_mask(mask),
            "reactive_latents": encode_video(encoders.vae, torch.zeros_like(video))[0],
            "canvas_latents": encode_canvases(encoders.vae, canvases, *mask.shape[1:]).float(),
        }
    return tensors


def largest_outline(coverage: MaskVideo) -> FrameRegion | None:
    """Where a clip's product is in the frame that shows most of it, (H, W); None where none does."""
    product = product_mask(coverage)
    areas = product.sum(axis=(1, 2))
    return product[areas.argmax()] if areas.any() else None
