"""A crop's frames → generated frames, window by window; each is kept in the item cache as it is done.

    window k     known | made  made  made  made |
    window k+1                             known | made  made  made  made |

A window takes consecutive frames. It begins with the last frame that was made before it, as it stands in the ad, and
goes on from there (`hold.py`). All windows start from the same noise, so that what a photo leaves open stays as it is.

The key of a window in the cache is what goes in: its pixels and holes, photos, the photo in its place, model, settings,
code. So a run that was
killed continues, and a changed setting makes anew what depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pvtt.encoding.collage import Collage
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_bytes, sha256_json
from pvtt.generation.ad.settings import AdSettings, ModelFormat
from pvtt.items.cache import ItemCache
from pvtt.media.arrays import Frame, Region, Rgba, Video

if TYPE_CHECKING:
    from pvtt.generation.pipeline import ProductVideoPipeline

WINDOW_FILE = "window.npy"


@dataclass(frozen=True)
class Made:
    """A window as it was made.

    Args:
        video: (F, window height, window width, 3).
        cached: Whether it came from the cache.
        drawn: How far it is, where the photo is, from that photo pasted over the inpainted hole, which has been through
            the same VAE: the mean difference, of 255. None: it was not compared.
    """

    video: Video
    cached: bool
    drawn: float | None = None


class WindowMaker:
    """Makes windows; the model is loaded when the first one is not in the cache.

    Args:
        model: What the model's folder says.
        model_sha256: Of the folder.
        photos: Of the new product, (S, S, 4) each, background removed.
        settings: Prompt and seed.
        steps: Of the sampler.
        cache: Of the windows.
        load: Loads the model; None: from its folder.
    """

    def __init__(
        self,
        model: ModelFormat,
        model_sha256: str,
        photos: tuple[Rgba, ...],
        settings: AdSettings,
        steps: int,
        cache: ItemCache,
        load: Callable[[], ProductVideoPipeline] | None = None,
    ) -> None:
        self._model, self._photos, self._settings, self._steps = model, photos, settings, steps
        self._cache, self._load = cache, load
        self._pipeline: ProductVideoPipeline | None = None
        self._common: list[Any] = [
            windows_code(),
            [version(name) for name in ("torch", "diffusers", "transformers")],
            model_sha256,
            [sha256_bytes(photo.tobytes()) for photo in photos],
            settings.prompt,
            settings.seed,
            steps,
            model.product_guidance,
            model.text_guidance,
            model.strength,
        ]

    def make(
        self,
        pixels: Video,
        holes: Region,
        known: Frame | None,
        collage: Collage | None = None,
        *,
        compared: bool = False,
    ) -> Made:
        """Make a window, or take it from the cache.

        Args:
            pixels: Of the template, (F, H, W, 3), F = 4n+1.
            holes: Where to generate, (F, H, W).
            known: The first frame as it is in the ad already, (H, W, 3); None: it is to be made.
            collage: The photo in its place, (F, H, W, 4); None: where the holes say.
            compared: Hold it against the photo pasted too, which takes half as long again.

        Raises:
            StorageError: The cache cannot be written.
        """
        arrays = [pixels, holes, known, None if collage is None else collage.layer]
        key = sha256_json([*self._common, compared, *(None if array is None else _hashed(array) for array in arrays)])
        entry = self._cache.read(key)
        if entry is not None:
            return Made(np.load(entry.directory / WINDOW_FILE), cached=True, drawn=entry.result["drawn"])
        video, drawn = self._generate(pixels, holes, known, collage, compared)
        with self._cache.write(key) as new:
            np.save(new.directory / WINDOW_FILE, np.ascontiguousarray(video))
            new.result = {"shape": list(video.shape), "drawn": drawn}
        return Made(video, cached=False, drawn=drawn)

    def _generate(
        self, pixels: Video, holes: Region, known: Frame | None, collage: Collage | None, compared: bool
    ) -> tuple[Video, float | None]:
        from pvtt.generation.ad.hold import first_latent, hold_first
        from pvtt.generation.inputs import TemplateInput
        from pvtt.models.sampling import SamplingSettings, initial_noise, sample

        if self._pipeline is None:
            self._pipeline = load_pipeline(self._model.folder) if self._load is None else self._load()
        pipeline = self._pipeline
        given = [TemplateInput(pixels, holes, self._photos, self._settings.prompt, collage)]
        conditions = pipeline.encode(given)
        held = None if known is None else first_latent(pipeline.vae, known)
        draft = None
        if compared or self._model.strength < 1:
            draft = pipeline.drafts(given)
            if held is not None:
                draft[:, :, :1] = held.to(draft)
        if self._model.strength < 1:
            conditions = conditions.with_draft(draft)
        shape = conditions.masked_latents.shape[1:]
        noise = initial_noise(shape, [self._settings.seed]).to(conditions.masked_latents.device)
        scheduler = pipeline.scheduler
        if held is not None:
            scheduler = hold_first(scheduler, held, noise)
        model = self._model
        settings = SamplingSettings(self._steps, model.product_guidance, model.text_guidance, strength=model.strength)
        latents = sample(pipeline.transformer, scheduler, noise, conditions, pipeline.empty_text(), settings)
        (video,) = pipeline.decode(latents)
        if draft is None or not compared or collage is None:
            return video, None
        (pasted,) = pipeline.decode(draft)
        return video, _difference(video, pasted, collage.region & holes, first=0 if known is None else 1)


def _difference(video: Video, other: Video, region: Region, first: int) -> float | None:
    """In the region of the frames from `first` on, the mean, of 255; None where they have none."""
    differences = np.abs(video[first:].astype(np.int16) - other[first:])[region[first:]]
    return float(differences.mean()) if differences.size else None


def _hashed(array: npt.NDArray[Any]) -> list[Any]:
    return [list(array.shape), sha256_bytes(array.tobytes())]


@cache  # reading all the source takes a second
def windows_code() -> str:
    """Of all the code that a window depends on."""
    return code_of("pvtt.generation.ad.windows:WindowMaker")


def load_pipeline(folder: Path) -> ProductVideoPipeline:
    """A model, on the GPU where there is one."""
    import torch
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    from pvtt.generation.pipeline import ProductVideoPipeline

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
    pipeline = ProductVideoPipeline.from_pretrained(folder)
    return pipeline.to("cuda") if torch.cuda.is_available() else pipeline
