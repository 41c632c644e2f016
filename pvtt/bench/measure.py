"""A film's figures, from its pixels and its sound. What is measured of clips elsewhere is measured the same way here.

Figures of neighbouring frames are taken shot by shot, as the template is cut, and weighted by the shots' frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from pvtt.bench.axes import METRICS
from pvtt.bench.camera import CameraError, camera_error
from pvtt.bench.sets import Pixels
from pvtt.errors import PvttError
from pvtt.evaluation.metrics.colour import product_delta_e
from pvtt.evaluation.metrics.identity import embed, nearest
from pvtt.evaluation.metrics.lettering import Reader, edit_distance, read_product
from pvtt.evaluation.metrics.metric import Embedder, Networks
from pvtt.evaluation.metrics.motion import (
    WARP_ERROR_FLOOR,
    flicker,
    flow_warp_error,
    outside_motion_error,
)
from pvtt.evaluation.metrics.reconstruction import finite_psnr, ssim, ssim_map
from pvtt.evaluation.metrics.seam import FLOOR, border_gradient
from pvtt.evaluation.metrics.similarity import product_similarity
from pvtt.generation.ad.photos import read_photos
from pvtt.generation.ad.template import read_template
from pvtt.media.arrays import Region, Video
from pvtt.media.video import read_video

CHANGED = 12  # grey levels, more than the codec's: a contender has drawn there
CODEC = 5  # pixels: side of the median that takes the codec's noise out and leaves edges where they are
OUTLINE = 3  # pixels around the true product that are left out of the seam: its own outline is no seam
TOLD_APART = 24  # grey levels between template and truth, at least, where leftovers can be told
CLEAR_OF_NEW = 5  # pixels around the new product in which leftovers cannot be told from its edge

Values = dict[str, float | None]


def read_film(path: Path, pixels: Pixels) -> Video:
    """A film of a triplet, (F, H, W, 3).

    Raises:
        VideoError: It is no whole film.
        PvttError: It has another size or another number of frames than the template.
    """
    film, triplet = read_video(path), pixels.triplet
    wanted = (triplet.num_frames, triplet.height, triplet.width)
    if film.shape[:3] != wanted:
        raise PvttError(
            f"{path.name} has {film.shape[0]} frames of {film.shape[2]}×{film.shape[1]}, "
            f"the template {wanted[0]} of {wanted[2]}×{wanted[1]}",
            "make it as long and as large as its template",
        )
    return film


def measure_film(path: Path, pixels: Pixels, networks: Networks) -> Values:
    """Every figure of one film; None where it cannot be measured: without a truth, a mask, a network, or corners.

    Args:
        path: The film.
        pixels: Its triplet's.
        networks: The measuring networks that are there.

    Raises:
        VideoError, PvttError: As `read_film`.
    """
    film = read_film(path, pixels)
    values: Values = dict.fromkeys(metric.name for metric in METRICS)
    values |= _identity(film, pixels, networks)
    values |= _exclusivity(film, pixels)
    values |= _template(path, film, pixels)
    values |= _quality(film, pixels, networks)
    return values


def _identity(film: Video, pixels: Pixels, networks: Networks) -> Values:
    values: Values = {}
    product, triplet = pixels.product, pixels.triplet
    if product is None or not product.any():
        return values
    look = embed(film, product) if len(pixels.gallery) > 1 else None
    if look is not None:
        found = nearest(look, pixels.gallery)
        values["identity_top1"] = float(found == triplet.product_id)
        values["identity_template"] = float(found == triplet.template_product_id)
    if pixels.truth is not None:
        values["product_delta_e"] = product_delta_e(film, pixels.truth, product)
    if networks.reader is not None:
        values["text_distance"] = text_distance(film, pixels, networks.reader)
    embedders: dict[str, Embedder | None] = {"clip_i": networks.clip, "dino": networks.dino}
    for name, embedder in embedders.items():
        if embedder is not None:
            photos = read_photos([pixels.place / photo for photo in triplet.photos])
            values[name] = product_similarity(film, product, photos, embedder)
    return values


def text_distance(film: Video, pixels: Pixels, reader: Reader) -> float | None:
    """From the text on the product to the true film's, `edit_distance`; None where nothing can be read on that."""
    expected = pixels.true_text(reader)
    if not expected or pixels.product is None:
        return None
    given = read_product(film, pixels.product, reader)
    return None if given is None else edit_distance(given, expected)


def _exclusivity(film: Video, pixels: Pixels) -> Values:
    region = pixels.region
    if region is None:
        return {}
    return {
        "outside_psnr": finite_psnr(film, pixels.template, ~region),
        "outside_ssim": ssim(film, pixels.template, ~region),
        "leftover": leftover(film, pixels),
    }


def leftover(film: Video, pixels: Pixels) -> float | None:
    """Percent of what the new product leaves free of the old one's place that still shows the template.

    A pixel counts where template and truth are told apart, clear of the new product's edge; None where there is none.
    """
    old, new, truth = pixels.template_product, pixels.product, pixels.truth
    if old is None or new is None or truth is None:
        return None
    before, after, now = (video.astype(np.int16) for video in (pixels.template, truth, film))
    free = old & ~_widened(new, CLEAR_OF_NEW) & (np.abs(before - after).max(axis=-1) > TOLD_APART)
    if not free.any():
        return None
    to_template, to_truth = (np.abs(now[free] - one[free]).sum(axis=-1) for one in (before, after))
    return float(100 * (to_template < to_truth).mean())


def _template(path: Path, film: Video, pixels: Pixels) -> Values:
    triplet, region = pixels.triplet, pixels.region
    found = [span.first for span in read_template(path).shots[1:]]
    values: Values = {
        "cut_f1": cut_f1(found, triplet.cuts),
        "shot_length_error": shot_length_error(found, triplet.cuts, triplet.num_frames),
        "sound_same": sound_is_same(path, pixels.place / triplet.template),
    }
    if region is None:
        return values
    cameras: list[CameraError] = []
    motions: list[tuple[float | None, int]] = []
    for (shot, part), motion in zip(pixels.shots(), pixels.template_motions, strict=True):
        if motion is None:
            continue
        own, before, may_change = film[part], pixels.template[part], region[part]
        error = camera_error(own, before, may_change, shot.camera)
        if error is not None:
            cameras.append(error)
        motions.append((outside_motion_error(own, motion, ~may_change), shot.num_frames))
    for name in ("rotation", "shift", "zoom"):
        values[f"camera_{name}"] = _weighted((getattr(error, name), error.num_steps) for error in cameras)
    values["motion_error"] = _weighted(motions)
    return values


def cut_f1(found: Iterable[int], true: Iterable[int]) -> float:
    """F1 of cuts, each the first frame of a shot; 1 where there are none and none was found."""
    detected, wanted = set(found), set(true)
    if not detected and not wanted:
        return 1.0
    return 2 * len(detected & wanted) / (len(detected) + len(wanted))


def shot_length_error(found: Iterable[int], true: Iterable[int], num_frames: int) -> float:
    """Mean over the true shots of the difference in length, in frames, from the found shot that shares most of it."""
    spans, wanted = ([range(*pair) for pair in pairwise([0, *cuts, num_frames])] for cuts in (sorted(found), true))
    errors = []
    for shot in wanted:
        nearest_one = max(spans, key=lambda span: min(span.stop, shot.stop) - max(span.start, shot.start))
        errors.append(abs(len(nearest_one) - len(shot)))
    return float(np.mean(errors))


def sound_is_same(film: Path, template: Path) -> float | None:
    """1 where a film's sound is the template's packet by packet, else 0; None where the template has none."""
    wanted = sound_packets(template)
    return float(sound_packets(film) == wanted) if wanted else None


def sound_packets(path: Path) -> list[bytes]:
    """The packets of a film's first sound stream; none where it is silent."""
    import av

    with av.open(str(path)) as container:
        if not container.streams.audio:
            return []
        return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]


def _quality(film: Video, pixels: Pixels, networks: Networks) -> Values:
    import torch

    truth, product, region = pixels.truth, pixels.product, pixels.region
    if truth is None or product is None or region is None:
        return {}
    values: Values = {
        "psnr": finite_psnr(film, truth),
        "product_psnr": finite_psnr(film, truth, product),
        "seam": seam(film, pixels.template, truth, product),
    }
    structure = ssim_map(film, truth)
    values["ssim"] = float(structure.mean())
    values["product_ssim"] = float(structure[torch.from_numpy(product)].mean()) if product.any() else None
    if networks.lpips is not None:
        values["lpips"] = networks.lpips(film, truth)
        values["product_lpips"] = networks.lpips(film, truth, product)
    steady: dict[str, list[tuple[float | None, int]]] = {"flicker": [], "warp_error": [], "colour_drift": []}
    for (shot, part), motion in zip(pixels.shots(), pixels.true_motions, strict=True):
        if motion is None:
            continue
        own, true = film[part], truth[part]
        errors = [flow_warp_error(one, motion, product[part]) for one in (own, true)]
        ratio = None if errors[0] is None or errors[1] is None else errors[0] / max(errors[1], WARP_ERROR_FLOOR)
        steady["flicker"].append((flicker(own, true, region[part]), shot.num_frames))
        steady["warp_error"].append((ratio, shot.num_frames))
        steady["colour_drift"].append((colour_drift(own, true, product[part]), shot.num_frames))
    return values | {name: _weighted(figures) for name, figures in steady.items()}


def seam(film: Video, template: Video, truth: Video, product: Region) -> float | None:
    """The gradient across the border of what a film changed, over that of the truth in the same place.

    Where a contender drew is not known, so it is where the film, its codec's noise taken out, differs from the
    template. The true product's outline is left out: nothing else may have a hard edge where the truth has none.
    """
    changed = changed_region(film, template) | _widened(product, OUTLINE)
    given, own = border_gradient(film, changed), border_gradient(truth, changed)
    return None if given is None or own is None else given / max(own, FLOOR)


def changed_region(film: Video, template: Video) -> Region:
    """Where a film shows something else than the template, (F, H, W), beyond what encoding it again does."""
    changed = []
    for now, before in zip(film, template, strict=True):
        difference = cv2.absdiff(now, before).max(axis=-1)
        changed.append(np.asarray(cv2.medianBlur(difference, CODEC)) > CHANGED)
    return np.stack(changed)


def colour_drift(film: Video, truth: Video, product: Region) -> float | None:
    """How far a shot's product moves in colour, held against the truth, from its first quarter to its last.

    The Euclidean distance in CIE L*a*b* (ΔE of 1976) of the mean offsets; None where the product is not seen.
    """
    from skimage.color import rgb2lab

    offsets = []
    for now, true, inside in zip(film, truth, product, strict=True):
        if inside.any():
            given, wanted = (rgb2lab(frame[inside][None])[0].mean(axis=0) for frame in (now, true))
            offsets.append(given - wanted)
    if len(offsets) < 2:
        return None
    quarter = max(1, len(offsets) // 4)
    moved = np.mean(offsets[-quarter:], axis=0) - np.mean(offsets[:quarter], axis=0)
    return float(np.linalg.norm(moved))


def _weighted(figures: Iterable[tuple[float | None, int]]) -> float | None:
    """The mean of what is measured, weighted by frames."""
    known = [(value, weight) for value, weight in figures if value is not None]
    if not known:
        return None
    values, weights = np.array(known, dtype=np.float64).T
    return float(np.average(values, weights=weights))


def _widened(region: Region, pixels: int) -> Region:
    kernel: npt.NDArray[np.uint8] = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.stack([np.asarray(cv2.dilate(frame.astype(np.uint8), kernel) > 0) for frame in region])
