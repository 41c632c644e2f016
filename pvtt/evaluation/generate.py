"""The videos that are measured: what the model makes of each sample under four conditions.

| run         | condition                                              | shows                          |
|-------------|--------------------------------------------------------|--------------------------------|
| `generated` | the product's own photos                               | the model                      |
| `swapped`   | another product's photos, same noise                   | whether the photos matter      |
| `blank`     | no photos (the condition dropped as in training)       | what is guessed without them   |
| `untrained` | the base model with a new adapter, which has no effect | what training has brought      |

A sample's noise depends on the seed and its name alone, so all four start alike, and a resumed run continues with what
an uninterrupted one would have made. Latents of finished batches are kept in the item cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from pvtt.encoding.store import read_variant
from pvtt.errors import PvttError
from pvtt.evaluation.arrays import Video
from pvtt.files.atomic import atomic_path
from pvtt.files.hashing import code_version, sha256_file, sha256_json
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.loading import load_component
from pvtt.models.sampling import SamplingSettings, initial_noise, sample
from pvtt.models.text import encode_text
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.models.vae import decode_latents, to_pixels
from pvtt.params.file import Params
from pvtt.records.dataset import EncodedSample

RunName = Literal["generated", "swapped", "blank", "untrained"]
RUNS: tuple[RunName, ...] = get_args(RunName)

CODE = ("generation", "models")  # that the latents of a run depend on


@dataclass(frozen=True)
class ConditionedSample:
    """One sample's conditions, variant 0, float32 on the CPU, and the file that they come from."""

    key: str
    path: Path
    conditions: Conditions  # B = 1


def read_conditions(folder: Path, encoded: EncodedSample) -> ConditionedSample:
    """Read what a sample is generated from. Raises as `pvtt.encoding.store.read_variant`."""
    conditions = read_variant(folder, encoded).conditions.to(dtype=torch.float32)
    return ConditionedSample(encoded.key, folder / encoded.path, conditions)


class Generator:
    """Generates batches of samples under the four conditions.

    Args:
        model: Folder of the trained pipeline.
        base: Folder of the base model.
        model_sha256: Of the model's folder, for the cache.
        base_sha256: Of the base's transformer, for the cache.
        params: Sampling settings.
        device: Where it runs.
        cache: Where finished batches are kept.

    Raises:
        MissingInputError, PvttError: A model cannot be loaded.
    """

    def __init__(
        self, model: Path, base: Path, model_sha256: str, base_sha256: str, params: Params, device: str, cache: Path
    ) -> None:
        # The networks' own loaders keep some parts in float32, which `to(dtype)` would not.
        half = device != "cpu" and params.train.precision == "bf16"
        options: dict[str, Any] = {"torch_dtype": {"transformer": torch.bfloat16}} if half else {}
        self.pipeline = ProductVideoPipeline.from_pretrained(model, **options)
        self._trained = self.pipeline.transformer.to(device).eval()
        config = self._trained.config
        names = ("product_dim", "tokens_per_view", "num_product_tokens", "encoder_layers", "product_heads", "max_views")
        stock = load_component(
            base / "transformer", WanTransformer3DModel, torch_dtype=torch.bfloat16 if half else torch.float32
        )
        untrained = ProductVideoTransformer.from_base(stock, **{name: config[name] for name in names})
        self._untrained = untrained.to(device).eval()
        self._vae: Any = self.pipeline.vae.to(device).eval()
        text = encode_text([""], self.pipeline.tokenizer, self.pipeline.text_encoder, self.pipeline.config.text_tokens)
        self._empty_text = text[0].float()
        self._weights = {name: base_sha256 if name == "untrained" else model_sha256 for name in RUNS}
        self._params = params
        self._device = device
        self._cache = cache

    def latents(
        self, run: RunName, batch: Sequence[ConditionedSample], partners: Sequence[ConditionedSample]
    ) -> Tensor:
        """Normalised latents of a batch, (B, 16, F', h, w), from the cache or new.

        Args:
            run: The condition.
            batch: B samples.
            partners: Whose photos each gets in the run `swapped`; unused otherwise.
        """
        from safetensors.torch import load_file, save_file

        sources = partners if run == "swapped" else batch
        settings = self._params.evaluate
        key = sha256_json(
            [
                run,
                self._weights[run],
                code_version(*CODE),
                [sha256_file(one.path) for one in (*batch, *sources)],
                [one.key for one in batch],
                [settings.num_steps, settings.product_guidance, settings.text_guidance, self._params.seed],
                self._device,
            ]
        )
        path = self._cache / key[:2] / f"{key}.safetensors"
        if not path.is_file():
            latents = self._sample(run, batch, sources)
            if not latents.isfinite().all():
                names = ", ".join(one.key for one in batch)
                raise PvttError(f"the model's output for {names} is not finite", "train again at a lower learning rate")
            with atomic_path(path) as temporary:
                save_file({"latents": latents.contiguous()}, temporary)
        return load_file(path)["latents"]

    def _sample(self, run: RunName, batch: Sequence[ConditionedSample], sources: Sequence[ConditionedSample]) -> Tensor:
        conditions = Conditions.concatenate([one.conditions for one in batch])
        conditions = conditions.with_photos_of(Conditions.concatenate([one.conditions for one in sources]))
        settings = SamplingSettings(
            self._params.evaluate.num_steps,
            self._params.evaluate.product_guidance,
            self._params.evaluate.text_guidance,
        )
        if run not in ("generated", "swapped"):  # without product, guiding towards it changes nothing but the cost
            conditions, settings = conditions.without_product(), replace(settings, product_guidance=0.0)
        latents = sample(
            self._untrained if run == "untrained" else self._trained,
            self.pipeline.scheduler,
            self._noise(batch).to(self._device),
            conditions,
            self._empty_text,
            settings,
        )
        return latents.cpu()

    def _noise(self, batch: Sequence[ConditionedSample]) -> Tensor:
        seeds = [int(sha256_json([self._params.seed, one.key])[:15], 16) for one in batch]
        return initial_noise(batch[0].conditions.masked_latents.shape[1:], seeds)

    def decode(self, latents: Tensor) -> list[Video]:
        """Latents (B, 16, F', h, w) → B videos, before compositing."""
        with torch.inference_mode():
            return list(to_pixels(decode_latents(self._vae, latents.to(self._device))).cpu().numpy())
