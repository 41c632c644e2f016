"""A stock diffusers pipeline that makes one film at a time, as its makers meant it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pvtt.errors import PvttError, first_line
from pvtt.evaluation.contenders.contender import Task
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_bytes, sha256_json
from pvtt.files.storage import raise_storage_fault
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Video
from pvtt.models.loading import align, read_model_index
from pvtt.models.origin import model_sha256

if TYPE_CHECKING:
    from PIL.Image import Image

Kind = Literal["WanVACEPipeline", "WanImageToVideoPipeline"]
FILM_FILE = "film.npy"


@dataclass(frozen=True)
class StockSettings:
    """How a stock pipeline samples.

    Args:
        num_steps: Of its own scheduler.
        guidance: Its `guidance_scale`, over the caption.
        seed: Of the run; a film's noise depends on it and the sample's name alone.
        device: The device that it runs on. On a GPU its parts are there one after another.
    """

    num_steps: int
    guidance: float
    seed: int
    device: str


class StockPipeline:
    """A folder's pipeline. Finished films are kept in the item cache.

    Attributes:
        says: What it is, in a few words.
        sha256: Of its folder.

    Args:
        folder: In the Diffusers layout.
        kind: The class that it must be of.
        key: Of `params.yaml` that names it, for messages.
        settings: How it samples.
        cache: Where finished films are kept.

    Raises:
        MissingInputError: The folder is not there.
        PvttError: It is of another class, or cannot be loaded.
    """

    def __init__(self, folder: Path, kind: Kind, key: str, settings: StockSettings, cache: ItemCache) -> None:
        found = read_model_index(folder).get("_class_name")
        if found != kind:
            raise PvttError(f"{key}: {folder} is a {found}, not a {kind}", f"name the folder of a stock {kind}")
        self.sha256 = model_sha256(folder)
        self.says = f"diffusers' {kind}, guidance {settings.guidance:g}"
        self._settings = settings
        self._cache = cache
        self._pipeline = _load(folder, kind, settings.device)
        self._code = code_of(StockPipeline)

    def film(self, task: Task, **inputs: Image | list[Image] | None) -> Video:
        """The film of a task, (F, H, W, 3), before compositing.

        Args:
            task: What is filmed; its caption is the prompt, its template the size and length.
            **inputs: What the pipeline is given besides, by its names.
        """
        key = self._key(task, inputs)
        entry = self._cache.read(key)
        if entry is not None:
            film: Video = np.load(entry.directory / FILM_FILE)
            return film
        film = self._sample(task, inputs)
        with self._cache.write(key) as made:
            np.save(made.directory / FILM_FILE, film)
        return film

    def _key(self, task: Task, inputs: dict[str, Any]) -> str:
        import torch

        settings, on_cpu = self._settings, self._settings.device == "cpu"
        return sha256_json(
            {
                "weights": self.sha256,
                "code": self._code,
                "libraries": {name: version(name) for name in ("diffusers", "torch")},
                "sampling": [settings.num_steps, settings.guidance, settings.seed],
                "device": settings.device if on_cpu else torch.cuda.get_device_name(),
                "num_threads": torch.get_num_threads() if on_cpu else None,
                "task": [task.key, task.caption, list(task.template.shape)],
                "inputs": {name: _digest(value) for name, value in inputs.items()},
            }
        )

    def _sample(self, task: Task, inputs: dict[str, Any]) -> Video:
        import torch

        from pvtt.models.sampling import sample_seed

        num_frames, height, width = task.hole.shape
        made = self._pipeline(
            **inputs,
            prompt=task.caption,
            height=height,
            width=width,
            num_frames=num_frames,
            num_inference_steps=self._settings.num_steps,
            guidance_scale=self._settings.guidance,
            generator=torch.Generator("cpu").manual_seed(sample_seed(self._settings.seed, task.key)),
            output_type="np",
        ).frames[0]
        if not np.isfinite(made).all():
            raise PvttError(f"the output of a stock pipeline for {task.key} is not finite", "use other weights")
        return np.rint(np.asarray(made) * 255).clip(0, 255).astype(np.uint8)


def _load(folder: Path, kind: Kind, device: str) -> Any:
    """In float32 on the CPU; else in bfloat16, the VAE and an image encoder apart, as diffusers' pages load them."""
    import diffusers
    import torch

    precise: dict[str, torch.dtype] = {"default": torch.bfloat16, "vae": torch.float32}
    if kind == "WanImageToVideoPipeline":
        precise["image_encoder"] = torch.float32
    dtype = torch.float32 if device == "cpu" else precise
    try:
        pipeline = getattr(diffusers, kind).from_pretrained(str(folder), local_files_only=True, torch_dtype=dtype)
    except (OSError, ValueError, RuntimeError) as error:
        raise_storage_fault(error, folder)
        raise PvttError(
            f"cannot load a {kind} from {folder}: {first_line(error)}", "fetch the model's folder again"
        ) from error
    for component in pipeline.components.values():
        align(component)
    pipeline.set_progress_bar_config(disable=True)
    if device != "cpu":
        pipeline.enable_model_cpu_offload()
    return pipeline


def _digest(value: Image | list[Image] | None) -> str | list[Any] | None:
    if value is None:
        return None
    if isinstance(value, list):
        return [_digest(one) for one in value]
    return sha256_bytes(repr((value.mode, value.size)).encode() + value.tobytes())
