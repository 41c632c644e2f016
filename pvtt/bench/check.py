"""Somebody else's films of a bench, looked over before they are sent in: names, counts, lengths, sizes, and that
nothing but the product was changed.

    submission/001-bottle-as-bottle.mp4 …   a film a triplet: as long, as large, as fast as its template
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pvtt.bench.films import triplet_pixels
from pvtt.bench.measure import read_film
from pvtt.bench.sets import BenchSet, Pixels
from pvtt.encoding.crop import bounding_box
from pvtt.errors import MissingInputError, PvttError
from pvtt.items.progress import Progress
from pvtt.media.arrays import Region, Video
from pvtt.media.video import probe

MARGIN = 0.06  # of the frame's short side, around the box of what has to change: room for a contender's own region
BLOCK = 8  # pixels: the codec's noise goes out in a block's mean
# Grey levels that the mean of a block may be off. Eight of the small bench's templates, encoded again by x264 at
# `veryfast`: the worst block of all is off by 3.0 at crf 16, 5.8 at 23 and 8.0 at 30.
TOLERANCE = 12.0


def check_submission(folder: Path, bench: BenchSet) -> list[str]:
    """What is wrong, a line a fault; none where the films can be sent in.

    Args:
        folder: With the films.
        bench: That they are of.

    Raises:
        MissingInputError: There is no such folder.
    """
    if not folder.is_dir():
        raise MissingInputError(f"the folder {folder} does not exist", "give the folder with a film for each triplet")
    names = {f"{triplet.name}.mp4" for triplet in bench.triplets}
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    faults = [f"{name}: no triplet has this name" for name in sorted(there - names)]
    with Progress("submit-check", len(bench.triplets), unit="films") as progress:
        for triplet in bench.triplets:
            name = f"{triplet.name}.mp4"
            if name not in there:
                faults.append(f"{name}: missing")
            else:
                pixels = triplet_pixels(bench, triplet)
                faults += [f"{name}: {fault}" for fault in _faults(folder / name, pixels)]
            progress.advance(note=triplet.name)
    return faults


def _faults(path: Path, pixels: Pixels) -> Iterator[str]:
    try:
        film, rate = read_film(path, pixels), probe(path).rate
    except PvttError as error:
        yield error.message
        return
    fps = pixels.triplet.fps
    if rate is None or abs(float(rate) - fps) > 0.01 * fps:
        yield f"it has {float(rate or 0):g} frames a second, the template {fps:g}"
    if pixels.region is None:
        return
    worst, frame = outside_difference(film, pixels.template, allowed(pixels.region))
    if worst > TOLERANCE:
        yield (
            f"pixels far from the product changed: in frame {frame} a block's mean by {worst:.0f} of 255, "
            f"and encoding again changes it by {TOLERANCE:g} at most"
        )


def allowed(region: Region) -> Region:
    """Where a contender may change pixels: each frame's box around what has to change, with room."""
    margin = round(MARGIN * min(region.shape[1:]))
    free = np.zeros_like(region)
    for frame, inside in zip(free, region, strict=True):
        if inside.any():
            left, top, right, bottom = bounding_box(inside)
            frame[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin] = True
    return free


def outside_difference(film: Video, template: Video, free: Region) -> tuple[float, int]:
    """The largest difference of a block's mean colour outside a region, in grey levels, and its frame.

    Args:
        film: (F, H, W, 3).
        template: (F, H, W, 3).
        free: What is not looked at, (F, H, W).
    """
    worst, at = 0.0, 0
    for index, (now, before, inside) in enumerate(zip(film, template, free, strict=True)):
        difference = cv2.blur(now.astype(np.float32) - before, (BLOCK, BLOCK))
        touched = cv2.dilate(inside.astype(np.uint8), np.ones((BLOCK, BLOCK), np.uint8)) > 0
        off = np.where(touched[..., None], 0, np.abs(difference)).max()
        if off > worst:
            worst, at = float(off), index
    return worst, at
