"""A training job: what it is, where its inputs are, and the key that its checkpoints belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_bytes, sha256_file, sha256_json
from pvtt.files.workspace import Workspace
from pvtt.params.file import Params
from pvtt.params.train import StageTrainParams
from pvtt.training.loss_inputs import perceptual_weights

TrainStage = Literal["train_stage1", "train_stage2"]

WORK = "pvtt.training.loop:train"
ENCODE_PARAMS = {"max_photos", "image_features", "photo_size", "text_tokens"}  # the rest is in the data
PIECE_BYTES = 1 << 16


@dataclass(frozen=True)
class TrainJob:
    """What to train. Picklable, so that it can run elsewhere."""

    workspace: Workspace
    stage: TrainStage
    params: Params

    @property
    def settings(self) -> StageTrainParams:
        return self.params.train.stage1 if self.stage == "train_stage1" else self.params.train.stage2

    @property
    def settings_key(self) -> str:
        """Where the settings are in `params.yaml`."""
        return f"train.{self.stage.removeprefix('train_')}"

    @property
    def encoded(self) -> Path:
        return self.workspace.out("encode")

    @property
    def base(self) -> Path:
        """The base model's pipeline folder."""
        return self.workspace.root / self.params.model.base

    @property
    def source(self) -> Path:
        """The pipeline folder to start from: the base or the champion, or the stage before."""
        if self.stage == "train_stage1":
            model = self.params.model
            return self.workspace.root / (model.base if self.params.train.start == "base" else model.champion)
        return self.workspace.out("train_stage1") / "model"


def training_key(job: TrainJob) -> str:
    """A hash of everything that the job's result depends on, but the machine."""
    return sha256_json(key_parts(job))


def key_parts(job: TrainJob) -> dict[str, Any]:
    """Everything that the job's result depends on, but the machine, by the names that a person knows it by.

    Params by their keys in `params.yaml`; files and code by a hash.
    """
    params = job.params
    train_params = params.train.model_dump(mode="json", exclude={"wandb", "stage1", "stage2"})
    settings = job.settings.model_dump(mode="json", exclude={"checkpoint_every"})
    network = perceptual_weights(params.train, job.workspace.root)
    parts: dict[str, Any] = {"stage": job.stage, "seed": params.seed}
    parts |= _by_key("train", train_params)
    parts |= _by_key(job.settings_key, settings)
    if job.stage == "train_stage1":
        parts |= _by_key("model", params.model.model_dump(mode="json", exclude={"base", "champion"}))
    parts |= _by_key("encode", params.encode.model_dump(mode="json", include=ENCODE_PARAMS))
    parts["the data in outs/encode"] = quick_sha256_tree(job.encoded)
    parts["the model to start from"] = quick_sha256_tree(job.source)
    parts["the perceptual network"] = None if network is None else sha256_file(network)
    if params.train.loss.foreign_preservation > 0:
        parts["the base's transformer"] = quick_sha256_tree(job.base / "transformer")
    return parts | {"the code": code_of(WORK)}


def _by_key(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values by their keys, joined with dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}.{name}"
        flat |= _by_key(key, value) if isinstance(value, dict) else {key: value}
    return flat


def quick_sha256_tree(folder: Path) -> str:
    """A hash of a folder's files by name, size and content, quick on large files.

    Of a file above four pieces of 64 KiB, the first, the last and two between are read: a file that was made anew with
    other params or code differs there too.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256_json([[path.relative_to(folder).as_posix(), path.stat().st_size, _sample(path)] for path in files])


def _sample(path: Path) -> str:
    size = path.stat().st_size
    if size <= 4 * PIECE_BYTES:
        return sha256_bytes(path.read_bytes())
    pieces = []
    with path.open("rb") as file:
        for third in range(4):
            file.seek((size - PIECE_BYTES) * third // 3)
            pieces.append(file.read(PIECE_BYTES))
    return sha256_bytes(b"".join(pieces))
