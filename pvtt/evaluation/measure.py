"""All metrics of one sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.arrays import Region, Video
from pvtt.evaluation.fingerprint import weights_path
from pvtt.evaluation.generate import RUNS, RunName
from pvtt.evaluation.metrics import colour, identity, motion, reconstruction
from pvtt.evaluation.metrics.fvd import VideoEmbedder
from pvtt.evaluation.metrics.identity import Appearance
from pvtt.evaluation.metrics.perceptual import Lpips
from pvtt.evaluation.metrics.similarity import ImageEmbedder, product_similarity
from pvtt.params.evaluate import EvaluateParams

Photos = Sequence[npt.NDArray[np.uint8]]  # (S, S, 4) RGBA each


@dataclass(frozen=True)
class Networks:
    """The measuring networks that are there. None: not measured."""

    lpips: Lpips | None = None
    clip: ImageEmbedder | None = None
    dino: ImageEmbedder | None = None
    fvd: VideoEmbedder | None = None


def load_networks(root: Path, params: EvaluateParams, device: str) -> Networks:
    """Load the networks that the params name. Raises `PvttError` where one is named but cannot be loaded."""
    lpips, clip, dino, fvd = (
        weights_path(root, name, getattr(params, f"{name}_weights")) for name in ("lpips", "clip", "dino", "fvd")
    )
    return Networks(
        lpips=None if lpips is None else Lpips(lpips, device),
        clip=None if clip is None else ImageEmbedder(clip, "clip", device),
        dino=None if dino is None else ImageEmbedder(dino, "dino", device),
        fvd=None if fvd is None else VideoEmbedder(fvd, device),
    )


@dataclass(frozen=True)
class SampleVideos:
    """One sample's videos, (F, H, W, 3) each.

    Args:
        truth: Ground truth.
        product: Where the product is in it, (F, H, W).
        hole: What was to be generated, (F, H, W).
        raw: The model's output before compositing.
        runs: Composited outputs; `swapped` is missing where there is no other product.
        mean_fill: The ground truth with the hole filled with one colour.
    """

    truth: Video
    product: Region
    hole: Region
    raw: Video
    runs: Mapping[RunName, Video]
    mean_fill: Video


def measure_sample(
    videos: SampleVideos,
    product_id: str,
    partner_id: str | None,
    gallery: Mapping[str, Appearance],
    photos: Photos,
    networks: Networks,
) -> dict[str, float | None]:
    """Every metric of one sample; None: not measured.

    Args:
        videos: The sample's.
        product_id: Whose sample it is.
        partner_id: Whose photos the run `swapped` saw.
        gallery: The split's products, as their photos show them.
        photos: The product's own.
        networks: Those that are there.
    """
    truth, product, runs = videos.truth, videos.product, videos.runs
    output = runs["generated"]
    moving = motion.estimate_motion(truth)
    warp, own_warp = (motion.flow_warp_error(video, moving, product) for video in (output, truth))
    floor = motion.WARP_ERROR_FLOOR
    lpips = networks.lpips
    metrics = {
        "psnr": _psnr(output, truth),
        "ssim": reconstruction.ssim(output, truth),
        "lpips": None if lpips is None else lpips(output, truth),
        "product_psnr": _psnr(output, truth, product),
        "product_ssim": reconstruction.ssim(output, truth, product),
        "product_lpips": None if lpips is None else lpips(output, truth, product),
        "flicker": motion.flicker(output, truth, product),
        "flow_warp_error": warp,
        "flow_warp_error_ground_truth": own_warp,
        "relative_flow_warp_error": None if warp is None or own_warp is None else warp / max(own_warp, floor),
        "outside_motion_error": motion.outside_motion_error(videos.raw, moving, ~videos.hole),
        "product_delta_e": colour.product_delta_e(output, truth, product),
        "clip_i": _similarity(output, product, photos, networks.clip),
        "dino": _similarity(output, product, photos, networks.dino),
        "product_psnr_swapped": _psnr(runs["swapped"], truth, product) if "swapped" in runs else None,
        "product_psnr_blank": _psnr(runs["blank"], truth, product),
        "product_psnr_untrained": _psnr(runs["untrained"], truth, product),
        "product_psnr_mean_fill": _psnr(videos.mean_fill, truth, product),
        "leak_change": _change(runs["swapped"], output, product) if "swapped" in runs else None,
        "blank_change": _change(runs["blank"], output, product),
    }
    for name, other in (
        ("swap_gain", "product_psnr_swapped"),
        ("blank_gain", "product_psnr_blank"),
        ("untrained_gain", "product_psnr_untrained"),
        ("mean_fill_gain", "product_psnr_mean_fill"),
    ):
        metrics[name] = _difference(metrics["product_psnr"], metrics[other])
    return metrics | _identity(videos, product_id, partner_id, gallery)


def _psnr(video: Video, truth: Video, region: Region | None = None) -> float | None:
    """PSNR with ∞ as `MAX_PSNR`, so that means stay finite."""
    value = reconstruction.psnr(video, truth, region)
    return reconstruction.MAX_PSNR if value == math.inf else value


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def _change(video: Video, other: Video, region: Region) -> float | None:
    """Mean absolute difference in the region, in grey levels."""
    if not region.any():
        return None
    return float(np.abs(video[region].astype(np.int16) - other[region].astype(np.int16)).mean())


def _similarity(video: Video, region: Region, photos: Photos, embedder: ImageEmbedder | None) -> float | None:
    return None if embedder is None else product_similarity(video, region, photos, embedder)


def _identity(
    videos: SampleVideos, product_id: str, partner_id: str | None, gallery: Mapping[str, Appearance]
) -> dict[str, float | None]:
    """Whether retrieval finds the product in each video, 1 or 0; and whether the swapped run shows the partner."""
    found: dict[str, str | None] = dict.fromkeys(RUNS)
    references = [("ground_truth", videos.truth), ("mean_fill", videos.mean_fill)]
    for name, video in [*videos.runs.items(), *references]:
        look = identity.embed(video, videos.product)
        found[name] = identity.nearest(look, gallery) if look is not None and len(gallery) > 1 else None
    hits = {
        "identity_top1" if name == "generated" else f"identity_top1_{name}": None if hit is None else hit == product_id
        for name, hit in found.items()
    }
    swapped = found["swapped"]
    hits["swap_followed"] = None if swapped is None else swapped == partner_id
    return {name: None if hit is None else float(hit) for name, hit in hits.items()}
