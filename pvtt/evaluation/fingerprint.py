"""What a score depends on besides the model."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from pvtt.errors import MissingInputError
from pvtt.evaluation.generate import sampling
from pvtt.evaluation.samples import shown_samples
from pvtt.evaluation.vbench import vbench_version
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file
from pvtt.generation.composite import FEATHER, RING
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


def fingerprint(
    root: Path, params: Params, dataset_sha256: str, base_sha256: str, device: str, num_threads: int
) -> Fingerprint:
    """The fingerprint of an evaluation.

    Args:
        root: The workspace's root.
        params: All of params.yaml.
        dataset_sha256: Of what is evaluated.
        base_sha256: Of the base's transformer.
        device: The name of the device that it runs on.
        num_threads: Of torch.
    """
    evaluate = params.evaluate
    vbench = vbench_version(root, evaluate.vbench)
    weights: dict[str, str | None] = {}
    for name in ("lpips", "clip", "dino", "fvd"):
        path = weights_path(root, name, getattr(evaluate, f"{name}_weights"))
        weights[name] = None if path is None else model_sha256(path) if path.is_dir() else sha256_file(path)
    return Fingerprint(
        versions={library: version(library) for library in LIBRARIES},
        device=device,
        num_threads=num_threads,
        dataset_sha256=dataset_sha256,
        base_sha256=base_sha256,
        protocol={
            **shown_samples(params),
            **sampling(params),
            "max_clips_per_split": evaluate.max_clips_per_split,
            "max_transfers": evaluate.max_transfers,
            "seeds": evaluate.seeds,
            "batch_size": evaluate.batch_size,
            "min_n": evaluate.min_n,
            "min_products": evaluate.min_products,
            "fvd_min_n": evaluate.fvd_min_n,
            "composite": f"feathered over {FEATHER} of the short side inside the conditioning mask, colours matched on "
            f"a ring of {RING}; outside it the template's own pixels",
            "region": "segmentation of the ground truth; of transfers its exact mask",
            "hole of transfers": "the template's product, and a box by the photos' aspect on the same ground",
            "psnr": "8-bit RGB, peak 255, squared error pooled over the clip",
            "ssim": "8-bit RGB, a channel at a time, Gaussian window 11x11, range 255, whole frame, then the region",
            "product_delta_e": "CIEDE2000 (D65) of four colours, parted by variance, moved onto each other",
            "flow": "DIS medium on grey, of the ground truth, forward and backward; of the output for the camera",
            "clip_i, dino": "RGB, the product's box with 10 % around, photos on white, scaled as the folder says",
            "r_clip, r_dino": "the same, white around the product",
            "clip_text, clip_consistency": "RGB, whole frames",
            "text_distance": "rapidocr, on the frame that shows most of the product" if evaluate.read_text else None,
            "identity": "colour histogram and thirds, against photos of the split's evaluated products, of test's for "
            "transfers",
            "lpips": "AlexNet, v0.1, spatial, RGB in [-1, 1], whole frame, then the region",
            "vbench": None if vbench is None else f"{vbench}: {', '.join(evaluate.vbench.dimensions)}",
            "fvd": "I3D TorchScript, RGB in [-1, 1], whole frame stretched to 224x224 bilinearly",
            "interval": f"95 %, bootstrap over products, {evaluate.bootstrap} resamples, widened for few products; of "
            "shares Clopper-Pearson at the samples' worth",
        },
        weights=weights,
        evaluator=code_of("pvtt.evaluation.evaluate:run_evaluation"),
    )
