"""Lettering: whether what is written on the product can still be read.

Read by rapidocr (PP-OCR on onnxruntime), whose weights are in its wheel: the extra `leftovers`. It takes about
a second a text on a CPU, so it runs only where `evaluate.read_text` asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from pvtt.evaluation.metrics.metric import Metric, Scene
from pvtt.evaluation.metrics.similarity import crop_product
from pvtt.media.arrays import Frame, Region, Video

LEAST_SIDE = 256  # pixels; a smaller product is enlarged by a whole factor

Reader: TypeAlias = Callable[[Frame], str]


def load_reader() -> Reader | None:
    """Reads the lines of text in a frame, from top to bottom; None without the extra."""
    from importlib.util import find_spec

    if find_spec("rapidocr") is None:
        return None
    from pvtt.generation.ad.reading import read_texts

    def read(frame: Frame) -> str:
        lines = sorted(read_texts(frame), key=lambda seen: (round(seen.middle[1] / 16), seen.middle[0]))
        return " ".join(seen.content for seen in lines)

    return read


def read_product(video: Video, region: Region, reader: Reader) -> str | None:
    """What is written on the product, in the frame that shows most of it; None where none shows it."""
    import cv2

    if not region.any():
        return None
    best = int(region.sum(axis=(1, 2)).argmax())
    (crop,) = crop_product(video[best : best + 1], region[best : best + 1])
    factor = math.ceil(LEAST_SIDE / min(crop.shape[:2]))
    if factor > 1:
        size = (crop.shape[1] * factor, crop.shape[0] * factor)
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    return reader(crop)


def edit_distance(given: str, expected: str) -> float:
    """Letters that must be put in, left out or exchanged (Levenshtein 1966), over the longer text's length."""
    above = list(range(len(expected) + 1))
    for row, letter in enumerate(given, start=1):
        here = [row]
        for column, wanted in enumerate(expected, start=1):
            here.append(min(above[column] + 1, here[-1] + 1, above[column - 1] + (letter != wanted)))
        above = here
    return above[-1] / max(len(given), len(expected), 1)


def _true_text(scene: Scene) -> str | None:
    reader = scene.networks.reader
    return None if reader is None else read_product(scene.truth, scene.product, reader)


def _distance(scene: Scene, video: Video) -> float | None:
    expected, reader = scene.once(_true_text), scene.networks.reader
    if reader is None or not expected:  # nothing to be read on the real one
        return None
    given = read_product(video, scene.product, reader)
    return None if given is None else edit_distance(given, expected)


METRICS = (
    Metric(
        name="text_distance",
        label="lettering",
        says="edits from the text read on the output's product to that on the real one, of its letters",
        group="The product's region",
        better="↓",
        measure=_distance,
        beside=("swapped", "ceiling"),
    ),
)
