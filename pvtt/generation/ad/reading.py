"""What a person could read in a frame or hear in a film's sound: texts, codes and speech.

Three libraries of the extra `leftovers`, each with its weights in its wheel: rapidocr (PP-OCR on onnxruntime),
zxing-cpp, silero-vad (its ONNX form, which needs no torch hub).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pvtt.media.arrays import Frame

DETECTION_SIDE = 1280  # pixels of the long side at which text is looked for
SURE = 0.6  # of 1: with less, a text is not read
SPEECH_NETWORK = "silero_vad_16k_sequence.onnx"  # in the wheel
SPEECH_RATE = 16_000  # samples a second that the network takes

SeenKind = Literal["text", "code"]


@dataclass(frozen=True)
class Seen:
    """Something to be read.

    Args:
        kind: Of what.
        content: What it says.
        middle: Of its box, (x, y) in pixels.
    """

    kind: SeenKind
    content: str
    middle: tuple[float, float]


def read_texts(frame: Frame) -> list[Seen]:
    """The lines of text in a frame, (H, W, 3). Raises `ImportError` without the extra."""
    read = _reader()(np.ascontiguousarray(frame[..., ::-1]))
    if not read.txts:
        return []
    return [
        Seen("text", text, _middle(np.asarray(box, np.float64)))
        for text, score, box in zip(read.txts, read.scores, read.boxes, strict=True)
        if score >= SURE
    ]


@cache
def _reader() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Det.limit_type": "max",  # a small frame is not enlarged
            "Det.limit_side_len": DETECTION_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # two take twice the processor's time and are no sooner
        }
    )


def read_codes(frame: Frame) -> list[Seen]:
    """The QR and bar codes in a frame, (H, W, 3). Raises `ImportError` without the extra."""
    import zxingcpp

    found = []
    for code in zxingcpp.read_barcodes(np.ascontiguousarray(frame)):
        place = code.position
        corners = [place.top_left, place.top_right, place.bottom_right, place.bottom_left]
        box = np.array([[corner.x, corner.y] for corner in corners], np.float64)
        found.append(Seen("code", code.text, _middle(box)))
    return found


def _middle(corners: npt.NDArray[np.float64]) -> tuple[float, float]:
    x, y = corners.mean(axis=0)
    return float(x), float(y)


def hear_speech(film: Path) -> list[tuple[float, float]]:
    """When there is speech in a film's sound: begin and end, in seconds from the container's zero.

    Raises `ImportError` without the extra.
    """
    network, timestamps = _listener()
    samples, begin = _samples(film)
    if not len(samples):
        return []
    stretches = timestamps(samples, network, sampling_rate=SPEECH_RATE)
    return [(begin + one["start"] / SPEECH_RATE, begin + one["end"] / SPEECH_RATE) for one in stretches]


@cache
def _listener() -> Any:
    import torch

    num_threads = torch.get_num_threads()
    try:
        from silero_vad.sequence_vad import SileroVADSequence, get_speech_timestamps_sequence
    finally:
        torch.set_num_threads(num_threads)  # importing it leaves all of torch with one
    return SileroVADSequence(str(files("silero_vad.data") / SPEECH_NETWORK)), get_speech_timestamps_sequence


def _samples(film: Path) -> tuple[npt.NDArray[np.float32], float]:
    """The first sound of a film, mono, (samples,), and when it begins; none of a silent film."""
    import av

    with av.open(str(film)) as container:
        if not container.streams.audio:
            return np.empty(0, np.float32), 0.0
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SPEECH_RATE)
        parts: list[npt.NDArray[np.float32]] = []
        begin = None
        for frame in container.decode(audio=0):
            begin = frame.time if begin is None else begin
            parts += [one.to_ndarray()[0] for one in resampler.resample(frame)]
        parts += [one.to_ndarray()[0] for one in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.empty(0, np.float32), begin or 0.0
