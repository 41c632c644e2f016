"""The bench's figures, on four axes that are never merged into one number. One more is a line here, one in `measure`.

identity     is it the photos' product?
exclusivity  is it the product alone that changed?
template     are cuts, camera and sound the template's?
quality      how good does it look, held against the true film?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from pvtt.evaluation.metrics.metric import Better

Axis = Literal["identity", "exclusivity", "template", "quality"]
AXES: tuple[Axis, ...] = get_args(Axis)
QUESTIONS: dict[Axis, str] = {
    "identity": "Is it the photos' product?",
    "exclusivity": "Is it the product alone that changed?",
    "template": "Are cuts, camera and sound the template's?",
    "quality": "How good does it look, held against the true film?",
}


@dataclass(frozen=True)
class BenchMetric:
    """One figure of a film.

    Attributes:
        name: Its key in a film's score.
        axis: The one that it belongs to.
        label: What people read.
        says: What it means, in one line.
        unit: Empty where it has none.
        better: `↑` or `↓`.
        is_share: A film's value is 0 or 1, the mean a share of films.
        is_headline: It stands for its axis where films are split by kind.
    """

    name: str
    axis: Axis
    label: str
    says: str
    unit: str = ""
    better: Better = "↓"
    is_share: bool = False
    is_headline: bool = False


METRICS: tuple[BenchMetric, ...] = (
    BenchMetric(
        "identity_top1",
        "identity",
        "found, top 1",
        "how often the new product is found from the film among those that look alike and the old one",
        better="↑",
        is_share=True,
        is_headline=True,
    ),
    BenchMetric(
        "identity_template",
        "identity",
        "old one found",
        "how often the old product is found instead: nothing was transferred",
        is_share=True,
    ),
    BenchMetric(
        "product_delta_e",
        "identity",
        "ΔE",
        "between the main colours of the product in the film and in the true one; about 2 is just visible",
        "CIEDE2000",
    ),
    BenchMetric(
        "text_distance",
        "identity",
        "lettering",
        "edits from the text read on the product in the film to that in the true one, of its letters; 0: the same text",
    ),
    BenchMetric("clip_i", "identity", "CLIP-I", "the product in the film against its photos", "cosine", "↑"),
    BenchMetric("dino", "identity", "DINO", "the product in the film against its photos", "cosine", "↑"),
    BenchMetric(
        "outside_psnr",
        "exclusivity",
        "outside PSNR",
        "against the template, where nothing has to change",
        "dB",
        "↑",
        is_headline=True,
    ),
    BenchMetric("outside_ssim", "exclusivity", "outside SSIM", "the same, structural similarity", better="↑"),
    BenchMetric(
        "leftover",
        "exclusivity",
        "leftover",
        "share of what the new product leaves free of the old one's place that is nearer to the template than to the "
        "true film",
        "%",
    ),
    BenchMetric(
        "cut_f1", "template", "cut F1", "cuts that the project's detector finds, exact to the frame", better="↑"
    ),
    BenchMetric(
        "shot_length_error",
        "template",
        "shot length",
        "of each true shot and the found one that shares most of its frames: difference in length",
        "frames",
    ),
    BenchMetric("camera_rotation", "template", "camera, turn", "error about the line of sight", "°/frame"),
    BenchMetric(
        "camera_shift",
        "template",
        "camera, shift",
        "error of the frame's middle",
        "px/frame",
        is_headline=True,
    ),
    BenchMetric("camera_zoom", "template", "camera, zoom", "error of the scale", "%/frame"),
    BenchMetric(
        "motion_error", "template", "motion", "optical flow outside the region, against the template's", "px/frame"
    ),
    BenchMetric(
        "sound_same",
        "template",
        "sound same",
        "how often the sound is the template's, byte for byte",
        better="↑",
        is_share=True,
    ),
    BenchMetric("psnr", "quality", "PSNR", "of the whole frame, against the true film", "dB", "↑"),
    BenchMetric("ssim", "quality", "SSIM", "of the whole frame, against the true film", better="↑"),
    BenchMetric("lpips", "quality", "LPIPS", "of the whole frame, against the true film"),
    BenchMetric(
        "product_psnr",
        "quality",
        "product PSNR",
        "where the product is in the true film: right only in the right place, as large and as turned",
        "dB",
        "↑",
        is_headline=True,
    ),
    BenchMetric("product_ssim", "quality", "product SSIM", "the same, structural similarity", better="↑"),
    BenchMetric("product_lpips", "quality", "product LPIPS", "the same, perceptual distance"),
    BenchMetric(
        "flicker",
        "quality",
        "flicker",
        "of the region: difference from the true film's changes from frame to frame",
        "grey levels",
    ),
    BenchMetric(
        "warp_error",
        "quality",
        "warp error",
        "of the product: frame against the next, warped back along the true motion, over the true film's own; 1: as "
        "steady",
        "×",
    ),
    BenchMetric(
        "seam",
        "quality",
        "seam",
        "gradient across the border of what was changed, over the true film's in the same place; 1: none",
        "×",
    ),
    BenchMetric(
        "colour_drift",
        "quality",
        "colour drift",
        "how far the product's colour, held against the true film's, moves from a shot's first quarter to its last",
        "ΔE",
    ),
)


def of_axis(axis: Axis) -> tuple[BenchMetric, ...]:
    """The figures of an axis, in the order of every table."""
    return tuple(metric for metric in METRICS if metric.axis == axis)
