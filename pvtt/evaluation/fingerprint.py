"""What a score depends on besides the model."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pvtt.errors import MissingInputError
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file
from pvtt.models.origin import model_sha256
from pvtt.params.file import Params
from pvtt.records.evaluation import Fingerprint

LIBRARIES = (
    "av",
    "diffusers",
    "lpips",
    "numpy",
    "opencv-python-headless",
    "scikit-image",
    "torch",
    "torchmetrics",
    "transformers",
)


def weights_path(root: Path, name: str, path: str | None) -> Path | None:
    """A measuring network's weights; None where the params name none.

    Raises:
        MissingInputError: They name a path that does not exist.
    """
    if path is None:
        return None
    found = root / path
    if not found.exists():
        raise MissingInputError(
            f"evaluate.{name}_weights: {found} does not exist", "put the weights there, or remove the key: not measured"
        )
    return found


def fingerprint(root: Path, params: Params, device: str, num_threads: int) -> Fingerprint:
    """The fingerprint of an evaluation with these params on this machine."""
    evaluate, encode = params.evaluate, params.encode
    weights: dict[str, str | None] = {}
    for name in ("lpips", "clip", "dino", "fvd"):
        path = weights_path(root, name, getattr(evaluate, f"{name}_weights"))
        weights[name] = None if path is None else model_sha256(path) if path.is_dir() else sha256_file(path)
    return Fingerprint(
        versions={library: version(library) for library in LIBRARIES},
        device=device,
        num_threads=num_threads,
        protocol={
            "size": f"{encode.width}x{encode.height}",
            "num_frames": encode.num_frames,
            "frame_stride": encode.frame_stride,
            "num_steps": evaluate.num_steps,
            "product_guidance": evaluate.product_guidance,
            "text_guidance": evaluate.text_guidance,
            "seed": params.seed,
            "max_clips_per_split": evaluate.max_clips_per_split,
            "composite": "hard edge: the template's pixels outside the conditioning mask",
            "region": "segmentation of the ground truth",
            "psnr": "8 bit, squared error pooled over the clip",
            "flow": "DIS medium on the ground truth",
            "identity": "colour histogram and thirds, against photos of the split's evaluated products",
            "lpips": "AlexNet, v0.1, spatial",
            "fvd": "I3D TorchScript, 224x224, [-1, 1]",
            "interval": f"95 % percentile bootstrap over products, {evaluate.bootstrap} resamples",
        },
        weights=weights,
        evaluator=code_of("pvtt.evaluation.evaluate:run_evaluation"),
    )
