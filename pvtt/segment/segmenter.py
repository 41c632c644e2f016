"""One clip to its mask: detect on key frames, track between, clean, judge; all as streams, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from pvtt.errors import MissingInputError
from pvtt.files.hashing import sha256_file
from pvtt.foreground.pieces import border_share
from pvtt.foreground.saliency import weights_sha256
from pvtt.items.runner import ItemRejectedError
from pvtt.media.arrays import Frame, FrameRegion, GreyFrame
from pvtt.media.masks import MaskWriter
from pvtt.media.video import VideoReader, to_grey, to_rgb
from pvtt.models.origin import model_sha256
from pvtt.params.segment import SegmentParams
from pvtt.records.base import Record
from pvtt.records.catalog import ClipId, ProductId, Sha256
from pvtt.records.clips import Confidence, Mask
from pvtt.segment.cleaning import clean, temporal_median
from pvtt.segment.confidence import Witness
from pvtt.segment.protocols import Detection, Detector, Tracker

if TYPE_CHECKING:
    from pvtt.segment.grounding_dino import GroundingDinoDetector

MASK_FILE = "mask.mkv"
# The sign of a `Confidence` that is too low → why the clip is turned away.
UNTRUSTED = {
    "stability": "unstable_mask",
    "agreement": "unstable_mask",
    "area": "unstable_mask",
    "border": "enters_or_leaves",
    "objects": "two_products",
    "people": "hand_or_person",
}


class ClipSource(Record):
    """One clip to segment; `path` says where it is and is no part of its identity in the item cache."""

    product_id: ProductId
    clip_id: ClipId
    sha256: Sha256
    num_frames: int
    fps: float
    prompt: str | None = None  # for a detector by words; None: `segment.text`
    path: Path = Field(exclude=True)


def segment_clip(clip: ClipSource, directory: Path, params: SegmentParams) -> Mask:
    """Segment one clip into `mask.mkv` in `directory`.

    Raises:
        ItemRejectedError: `no_product`, `two_products`, `mask_too_large` or `product_cut_off`; `unstable_mask`,
            `enters_or_leaves` or `hand_or_person` where the mask is not to be trusted.
        PvttError: A model's weights are missing.
    """
    detector, tracker = load_models(params, clip.prompt)
    judge, witness = Judge(params), Witness(params.max_products)
    keys = set(key_frames(clip.num_frames, params.key_frame_every))
    frames = judge.watch(_with_detections(clip.path, keys, detector, tracker.sees_colour, witness))
    binary = (soft >= params.threshold for soft in witness.follow(tracker.track(frames, detector.detect)))
    path = directory / MASK_FILE
    with MaskWriter(path, clip.fps) as writer:
        for mask in temporal_median(binary, params.smooth_frames):
            cleaned = clean(mask, params.min_component)
            judge.measure(cleaned)
            witness.measure(cleaned, judge.areas[-1], judge.borders[-1])
            writer.write(np.where(cleaned, np.uint8(255), np.uint8(0)))
    judge.decide()
    confidence = witness.confidence()
    doubts = judge.trust(confidence)
    height, width = cleaned.shape
    return Mask(
        product_id=clip.product_id,
        clip_id=clip.clip_id,
        path=f"masks/{clip.product_id}_{clip.clip_id}.mkv",
        sha256=sha256_file(path),
        clip_sha256=clip.sha256,
        segmenter=f"{detector.name}+{tracker.name}",
        num_frames=writer.num_frames,
        width=width,
        height=height,
        area_min=min(judge.areas),
        area_mean=float(np.mean(judge.areas)),
        area_max=max(judge.areas),
        border_fraction=float(np.mean(judge.borders)),
        confidence=confidence,
        doubts=doubts,
    )


def key_frames(num_frames: int, every: int) -> list[int]:
    """Frames to detect on: the middles of equal stretches of at most `every` frames.

    No frame is further than `every / 2` from one, with one fewer detection than key frames at both ends would take.
    """
    num_keys = -(-num_frames // every)
    return [(2 * index + 1) * num_frames // (2 * num_keys) for index in range(num_keys)]


def _with_detections(
    path: Path, keys: set[int], detector: Detector, in_colour: bool, witness: Witness
) -> Iterator[tuple[Frame | GreyFrame, Detection | None]]:
    """All frames, in colour or grey; the detector sees its own in colour."""
    show = to_rgb if in_colour else to_grey
    with VideoReader(path) as reader:
        for index, (_, frame) in enumerate(reader):
            if index not in keys:
                yield show(frame), None
                continue
            colours = to_rgb(frame)
            detection = detector.detect(colours)
            witness.see(colours, detection.mask, detection.num_products)
            yield show(frame), detection


@dataclass
class Judge:
    """Collects what a clip's detections and masks say, and decides whether it shows one whole product."""

    params: SegmentParams
    counts: list[int] = field(default_factory=list)  # products seen, a key frame
    areas: list[float] = field(default_factory=list)  # of the frame covered by the mask, a frame
    borders: list[float] = field(default_factory=list)  # of the frame's border covered, a frame

    def watch(self, frames: Iterable[tuple[Frame, Detection | None]]) -> Iterator[tuple[Frame, Detection | None]]:
        """Pass all frames through, counting the products on key frames."""
        for frame, detection in frames:
            if detection is not None:
                self.counts.append(detection.num_products)
            yield frame, detection

    def measure(self, mask: FrameRegion) -> None:
        """Take one frame's final mask into account."""
        self.areas.append(float(mask.mean()))
        self.borders.append(border_share(mask))

    def decide(self) -> None:
        """Raise `ItemRejectedError` where the clip is off-spec."""
        params = self.params
        area, border = float(np.mean(self.areas)), float(np.mean(self.borders))
        empty = sum(count == 0 for count in self.counts)
        crowded = sum(count > params.max_products for count in self.counts)
        if 2 * empty >= len(self.counts) or area < params.min_area:
            raise ItemRejectedError(
                "no_product",
                f"no product in {empty} of {len(self.counts)} key frames; the mask covers {area:.1%} of the frame",
            )
        if 2 * crowded > len(self.counts):
            raise ItemRejectedError(
                "two_products", f"{max(self.counts)} products in {crowded} of {len(self.counts)} key frames"
            )
        if area > params.max_area:
            raise ItemRejectedError("mask_too_large", f"the mask covers {area:.1%} of the frame")
        if border > params.max_border:
            raise ItemRejectedError("product_cut_off", f"the mask covers {border:.1%} of the frame's border")

    def trust(self, confidence: Confidence) -> tuple[str, ...]:
        """The signs that are borderline. Raises `ItemRejectedError` where one is too low."""
        worst, score = min(confidence.signs.items(), key=lambda sign: sign[1])
        if score < self.params.min_confidence:
            signs = ", ".join(f"{name} {value:.2f}" for name, value in confidence.signs.items())
            raise ItemRejectedError(UNTRUSTED[worst], f"{worst} is below {self.params.min_confidence}: {signs}")
        return tuple(name for name, value in confidence.signs.items() if value < self.params.sure_confidence)


def weights_sha256s(params: SegmentParams) -> tuple[str, ...]:
    """Hashes of the weights that the params name, so that other weights are other work.

    Raises:
        MissingInputError: A folder of weights does not exist.
    """
    folders = {"detector_weights": params.detector_weights, "tracker_weights": params.tracker_weights}
    hashes = [weights_sha256()] if params.detector == "u2netp" else []
    for key, folder in folders.items():
        if folder is None:
            continue
        if not Path(folder).is_dir():
            raise MissingInputError(
                f"segment.{key}: {folder} is not a folder", "put the weights there, or use the default u2netp and flow"
            )
        hashes.append(model_sha256(Path(folder)))
    return tuple(hashes)


def load_models(params: SegmentParams, prompt: str | None = None) -> tuple[Detector, Tracker]:
    """The detector and tracker that the params name; loaded once a process. Raises `PvttError`.

    Args:
        params: Of the stage.
        prompt: What a detector by words is asked for, in place of `params.text`.
    """
    tracker = _load_tracker(params.tracker, params.tracker_weights)
    if params.detector == "grounding_dino":
        return _load_grounding_dino(str(params.detector_weights)).asked(prompt or params.text), tracker
    return _load_u2netp(params.threshold), tracker


@cache
def _load_grounding_dino(weights: str) -> GroundingDinoDetector:
    from pvtt.segment.grounding_dino import GroundingDinoDetector

    return GroundingDinoDetector(Path(weights), "product.")


@cache
def _load_u2netp(threshold: float) -> Detector:
    from pvtt.segment.u2netp import U2NetpDetector

    return U2NetpDetector(threshold)


@cache
def _load_tracker(kind: str, weights: str | None) -> Tracker:
    if kind == "sam2":
        from pvtt.segment.sam2 import Sam2Tracker

        return Sam2Tracker(Path(str(weights)))
    from pvtt.segment.optical_flow import OpticalFlowTracker

    return OpticalFlowTracker()
