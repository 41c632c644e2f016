"""The films that people see are measured once more, against the clips themselves.

Kept films are H.264, and small ones enlarged, so they cannot give a figure to the last digit. By the triangle
inequality the root of the squared error moves by no more than what encoding did to the film. How much that is, the kept
`ground_truth.mp4` says, whose original is at hand: other films of the sample may move by `ALLOWANCE` times as much, and
half a level of rounding. An encoder takes noise out of a film and never puts any in, so the error of a noisy one may
also fall, by `SMOOTHED` of itself (measured: white noise in all colours loses a sixth).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_bytes
from pvtt.files.workspace import Workspace
from pvtt.media.arrays import Region, Video
from pvtt.params.file import Params
from pvtt.records.evaluation import EvaluatedSample

if TYPE_CHECKING:
    from pvtt.evaluation.samples import Chosen

ALLOWANCE = 3.0
SMOOTHED = 0.25
ROUNDING = 0.5  # levels of 255
MAX_TRUTH_ERROR = 12.0  # levels of 255; more is another film, not the encoder's loss
# Metric: the film it is of, and whether it is of the product's region. Those of a film's own pixels; motion, identity
# and networks' distances follow from the same films.
MEASURED = {
    "psnr": ("generated", False),
    "product_psnr": ("generated", True),
    "product_psnr_swapped": ("swapped", True),
    "product_psnr_paste": ("paste", True),
}


def remeasure(
    workspace: Workspace, params: Params, samples: Sequence[EvaluatedSample], chosen: Sequence[Chosen], seed: str
) -> tuple[tuple[str, ...], list[str]]:
    """Measure kept films of `promote.audited_videos` samples again.

    Args:
        workspace: The project's folders.
        params: All of params.yaml.
        samples: All that were evaluated.
        chosen: All that were to be.
        seed: Which samples are drawn depends on it.

    Returns:
        The keys of the samples, and what does not agree, a phrase each.
    """
    from pvtt.evaluation.samples import Windows

    by_place = {(one.part, one.entry.key): one for one in chosen}
    kept = [sample for sample in samples if sample.videos and (sample.part, sample.key) in by_place]
    drawn = sorted(kept, key=lambda one: sha256_bytes(f"{seed} {one.part} {one.key}".encode()))
    drawn = drawn[: params.promote.audited_videos]
    found: list[str] = []
    windows = Windows(workspace, params)
    for sample in drawn:
        window = windows.read(by_place[sample.part, sample.key].entry)
        place = f"{sample.part} {sample.key}"
        found += [f"{place}: {one}" for one in _of(sample, workspace, window.pixels, window.product)]
    return tuple(f"{sample.part} {sample.key}" for sample in drawn), found


def _of(sample: EvaluatedSample, workspace: Workspace, truth: Video, product: Region) -> list[str]:
    def film(name: str) -> Video:
        return _at_size(workspace.out("evaluate") / sample.videos[name], truth)

    try:
        kept_truth = film("ground_truth")
        found = []
        for metric, (name, of_product) in MEASURED.items():
            value = sample.metrics.get(metric)
            if value is None or name not in sample.videos:
                continue
            region = product if of_product else np.ones_like(product)
            loss = _error(kept_truth, truth, region)
            if loss > MAX_TRUTH_ERROR:
                return [f"the kept ground truth is not its clip: {loss:.1f} levels of 255 off"]
            recorded, measured = 255 / 10 ** (value / 20), _error(film(name), truth, region)
            slack = ALLOWANCE * loss + ROUNDING
            if not measured - slack <= recorded <= measured / (1 - SMOOTHED) + slack:
                found.append(f"{metric} is {value:.6g}, the kept {name}.mp4 gives {_psnr(measured):.3g}")
    except (PvttError, KeyError, FileNotFoundError) as error:
        return [f"a kept film cannot be read: {error}"]
    return found


def _at_size(path: Path, truth: Video) -> Video:
    """A kept film, made as small as the truth."""
    import cv2

    from pvtt.media.video import read_video

    frames = read_video(path)
    height, width = truth.shape[1:3]
    if len(frames) != len(truth) or frames.shape[1] * width != frames.shape[2] * height:
        raise PvttError(f"{path.name} has {len(frames)} frames of {frames.shape[2]}x{frames.shape[1]}")
    if frames.shape[1:3] == (height, width):
        return frames
    return np.stack(
        [np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]
    )


def _error(video: Video, truth: Video, region: Region) -> float:
    """Root of the mean squared error in a region, in levels of 255."""
    if not region.any():
        return 0.0
    difference = video[region].astype(np.float64) - truth[region]
    return float(np.sqrt((difference**2).mean()))


def _psnr(error: float) -> float:
    return math.inf if error == 0 else 20 * math.log10(255 / error)
