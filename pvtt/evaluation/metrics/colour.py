"""Colour fidelity: CIEDE2000 between the product's main colours in output and ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pvtt.evaluation.arrays import check_same_shape
from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.media.arrays import Region, Video

NUM_COLOURS = 4
MAX_PIXELS = 8192  # drawn evenly from the region; more does not move a palette of four


@dataclass(frozen=True)
class Palette:
    """The main colours of a region."""

    colours: npt.NDArray[np.float64]  # (K, 3) CIE L*a*b*, D65
    shares: npt.NDArray[np.float64]  # (K,) of the region's pixels, adding up to 1


def main_colours(video: Video, region: Region) -> Palette | None:
    """Up to four main colours by k-means in L*a*b*, with their shares; None where the region is empty."""
    import cv2
    from skimage.color import rgb2lab

    pixels = video[region]
    if not len(pixels):
        return None
    picked = pixels[np.linspace(0, len(pixels) - 1, min(len(pixels), MAX_PIXELS)).astype(np.int64)]
    lab = rgb2lab(picked[None])[0].astype(np.float32)
    count = min(NUM_COLOURS, len(np.unique(lab, axis=0)))
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.1)
    _, labels, centres = cv2.kmeans(lab, count, np.empty((len(lab), 1), np.int32), criteria, 3, cv2.KMEANS_PP_CENTERS)
    shares = np.bincount(labels.ravel(), minlength=count) / len(lab)
    return Palette(np.asarray(centres, dtype=np.float64), shares)


def palette_distance(first: Palette, second: Palette) -> float:
    """The least mean CIEDE2000 at which one palette's shares can be moved onto the other's (an optimal transport)."""
    from scipy.optimize import linprog
    from skimage.color import deltaE_ciede2000

    # (K, L)
    cost = deltaE_ciede2000(first.colours[:, None], second.colours[None])  # type: ignore[no-untyped-call]
    rows, columns = cost.shape
    from_first = np.kron(np.eye(rows), np.ones(columns))
    from_second = np.kron(np.ones(rows), np.eye(columns))
    result = linprog(
        cost.ravel(),
        A_eq=np.vstack([from_first, from_second[:-1]]),  # the last row follows from the others
        b_eq=np.concatenate([first.shares, second.shares[:-1]]),
    )
    return float(max(0.0, result.fun))


def product_delta_e(video: Video, truth: Video, region: Region) -> float | None:
    """CIEDE2000 between the main colours of the product in output and ground truth; about 2 is just visible.

    0 for identical videos; None where the region is empty.
    """
    check_same_shape(video, truth, region)
    given, expected = main_colours(video, region), main_colours(truth, region)
    return None if given is None or expected is None else palette_distance(given, expected)


def _of_scene(scene: Scene, video: Video) -> float | None:
    given, expected = main_colours(video, scene.product), scene.once(_true_colours)
    return None if given is None or expected is None else palette_distance(given, expected)


def _true_colours(scene: Scene) -> Palette | None:
    return main_colours(scene.truth, scene.product)


METRICS = (
    Metric(
        name="product_delta_e",
        label="product ΔE",
        says="between the main colours; about 2 is just visible",
        group="The product's region",
        unit="CIEDE2000",
        better="↓",
        measure=_of_scene,
        of_contenders=True,
        ranks=True,
    ),
)
