"""The one list of published networks: profiles, errors, `pvtt weights`, `pvtt doctor` and docs/weights.md follow it.

`main` as a revision means: no commit was known for certain when this was written. The first fetch resolves it and
records the commit beside the weights; later ones take what was recorded.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from pvtt.errors import MissingInputError
from pvtt.models.published import COGVIDEOX, HEAD_DIM, WAN_T2V
from pvtt.params.file import Params

Kind = Literal["pipeline", "transformers", "vision", "sam2", "state_dict", "torchscript"]
PIPELINE_FILES = ("model_index.json", "scheduler/*", "text_encoder/*", "tokenizer/*", "transformer/*", "vae/*")
TRANSFORMERS_FILES = ("*.json", "model.safetensors", "pytorch_model.bin", "vocab.txt", "merges.txt")
PYTORCH = "https://download.pytorch.org"


@dataclass(frozen=True)
class Network:
    """One network.

    Args:
        name: What a person calls it; also the default place, below models/.
        says: What it is.
        repo: Its id on the Hugging Face hub; None: it is at `url`.
        url: Its path below `PYTORCH`.
        revision: A commit, or `main`.
        files: Patterns of what is fetched.
        place: Where it goes, below the project's folder: a folder, or the file itself.
        licence: SPDX, or in words.
        gb: About, 10⁹ bytes; what a fetch takes is asked of the hub.
        kind: What `check` expects.
        keys: Keys of params.yaml that may name it.
        expects: Values that its configuration must have, by file and key.
    """

    name: str
    says: str
    place: str
    licence: str
    gb: float
    kind: Kind
    keys: tuple[str, ...]
    repo: str | None = None
    url: str | None = None
    revision: str = "main"
    files: tuple[str, ...] = ()
    expects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        return self.repo or f"{PYTORCH}/{self.url}"


def _wan(profile: str) -> dict[str, Any]:
    return {"attention_head_dim": HEAD_DIM, **WAN_T2V[profile]}


def _cogvideox(name: str) -> dict[str, Mapping[str, Any]]:
    return {
        "transformer/config.json": {"_class_name": "CogVideoXTransformer3DModel", "patch_size": 2} | COGVIDEOX[name]
    }


BASE_KEYS = ("model.base", "model.champion")
NETWORKS = (
    Network(
        "wan2.1-t2v-1.3b", "base of the profile poc", "models/wan2.1-t2v-1.3b", "Apache-2.0", 29.0, "pipeline",
        BASE_KEYS, repo="Wan-AI/Wan2.1-T2V-1.3B-Diffusers", files=PIPELINE_FILES,
        expects={"transformer/config.json": {"_class_name": "WanTransformer3DModel", **_wan("poc")}},
    ),
    Network(
        "wan2.1-t2v-14b", "base of the profile prod", "models/wan2.1-t2v-14b", "Apache-2.0", 80.0, "pipeline",
        BASE_KEYS, repo="Wan-AI/Wan2.1-T2V-14B-Diffusers", files=PIPELINE_FILES,
        expects={"transformer/config.json": {"_class_name": "WanTransformer3DModel", **_wan("prod")}},
    ),
    Network(
        "wan2.1-i2v-14b", "image to video: a base, and the route first_frame", "models/wan2.1-i2v-14b", "Apache-2.0",
        92.0, "pipeline", (*BASE_KEYS, "evaluate.routes.first_frame"), repo="Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
        files=(*PIPELINE_FILES, "image_encoder/*", "image_processor/*"),
        expects={"transformer/config.json": {"_class_name": "WanTransformer3DModel", **_wan("prod")}},
    ),
    Network(
        "wan2.1-vace-1.3b", "a base that swaps products untrained, and the route vace", "models/wan2.1-vace-1.3b",
        "Apache-2.0", 32.0, "pipeline", (*BASE_KEYS, "evaluate.routes.vace"),
        repo="Wan-AI/Wan2.1-VACE-1.3B-diffusers", files=PIPELINE_FILES,
        expects={"transformer/config.json": {"_class_name": "WanVACETransformer3DModel", **_wan("poc")}},
    ),
    Network(
        "wan2.1-vace-14b", "the same at 14B", "models/wan2.1-vace-14b", "Apache-2.0", 93.0, "pipeline",
        (*BASE_KEYS, "evaluate.routes.vace"), repo="Wan-AI/Wan2.1-VACE-14B-diffusers", files=PIPELINE_FILES,
        expects={"transformer/config.json": {"_class_name": "WanVACETransformer3DModel", **_wan("prod")}},
    ),
    Network(
        "cogvideox-2b", "fallback base of the profile cogvideox", "models/cogvideox-2b", "Apache-2.0", 13.5,
        "pipeline", BASE_KEYS, repo="THUDM/CogVideoX-2b", files=PIPELINE_FILES, expects=_cogvideox("cogvideox-2b"),
    ),
    Network(
        "cogvideox-5b", "the same at 5B; optional, for its licence", "models/cogvideox-5b",
        "CogVideoX LICENSE, not permissive", 21.5, "pipeline", BASE_KEYS,
        repo="THUDM/CogVideoX-5b", files=PIPELINE_FILES, expects=_cogvideox("cogvideox-5b"),
    ),
    Network(
        "clip-vit-h-14", "Wan2.1-I2V's CLIP ViT-H/14: tokens of photos", "models/clip-vit-h-14", "Apache-2.0", 2.6,
        "vision", ("encode.image_encoder",), repo="Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
        files=("image_encoder/*", "image_processor/*"),
        expects={"image_encoder/config.json": {"hidden_size": 1280}},
    ),
    Network(
        "clip-vit-base-patch32", "CLIP-I, R-CLIP and CLIP-text", "models/clip-vit-base-patch32", "MIT", 0.6,
        "transformers", ("evaluate.clip_weights",), repo="openai/clip-vit-base-patch32", files=TRANSFORMERS_FILES,
        expects={"config.json": {"model_type": "clip"}},
    ),
    Network(
        "dinov2-base", "DINOv2 ViT-B/14: the metric DINO, and tokens of photos", "models/dinov2-base", "Apache-2.0",
        0.35, "transformers", ("evaluate.dino_weights", "encode.dino_encoder"), repo="facebook/dinov2-base",
        files=TRANSFORMERS_FILES, expects={"config.json": {"model_type": "dinov2", "hidden_size": 768}},
    ),
    Network(
        "grounding-dino-base", "finds the product by words", "models/grounding-dino-base", "Apache-2.0", 0.95,
        "transformers", ("segment.detector_weights",), repo="IDEA-Research/grounding-dino-base",
        files=TRANSFORMERS_FILES, expects={"config.json": {"model_type": "grounding-dino"}},
    ),
    Network(
        "sam2.1-hiera-large", "follows the product through a clip", "models/sam2.1-hiera-large", "Apache-2.0", 0.9,
        "sam2", ("segment.tracker_weights",), repo="facebook/sam2.1-hiera-large",
        files=("sam2.1_hiera_large.pt", "sam2.1_hiera_l.yaml"),
    ),
    Network(
        "lpips-alexnet", "torchvision's AlexNet, the trunk of LPIPS", "models/torchvision/alexnet-owt-7be5be79.pth",
        "BSD-3-Clause", 0.24, "state_dict", ("evaluate.lpips_weights", "train.perceptual.weights"),
        url="models/alexnet-owt-7be5be79.pth",
    ),
    Network(
        "lpips-vgg16", "torchvision's VGG16, the trunk of the perceptual loss", "models/torchvision/vgg16-397923af.pth",
        "BSD-3-Clause", 0.55, "state_dict", ("train.perceptual.weights",), url="models/vgg16-397923af.pth",
    ),
    Network(
        "i3d", "I3D as TorchScript, for FVD", "models/i3d", "not stated on the hub", 0.05, "torchscript",
        ("evaluate.fvd_weights",), repo="flateon/FVD-I3D-torchscript", files=("i3d_torchscript.pt",),
    ),
)  # fmt: skip


def find_network(name: str) -> Network:
    """A network by its name, its id on the hub, or its place. Raises `MissingInputError`, which names the nearest."""
    for network in NETWORKS:
        if name.rstrip("/") in (network.name, network.repo, network.place):
            return network
    names = [network.name for network in NETWORKS]
    (near,) = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    raise MissingInputError(
        f"there is no network {name} in the list; the nearest name is {near}", "`pvtt weights ls` lists them"
    )


def named_places(params: Params) -> dict[str, list[str]]:
    """Folders and files of weights that params name, each with the keys that do."""
    keys = sorted({key for network in NETWORKS for key in network.keys})
    found: dict[str, list[str]] = {}
    for key in keys:
        value: Any = params
        for part in key.split("."):
            value = getattr(value, part)
        if value is not None:
            found.setdefault(str(value), []).append(key)
    return found


def network_at(place: str) -> Network | None:
    """The network that belongs at a place, or in it: a file below its folder names it too, and so does a folder of its
    name elsewhere."""
    for network in NETWORKS:
        if place == network.place or place.startswith(f"{network.place}/"):
            return network
    name = PurePosixPath(place).name
    return next((network for network in NETWORKS if name == PurePosixPath(network.place).name), None)


def wanted(params: Params) -> dict[str, list[str]]:
    """Names of the listed networks that params want, each with the keys that do."""
    found: dict[str, list[str]] = {}
    for place, keys in named_places(params).items():
        network = network_at(place)
        if network is not None:
            found.setdefault(network.name, []).extend(keys)
    return found
