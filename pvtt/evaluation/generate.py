"""Samples batches from the networks: the trained one, and its base with a new adapter, which has no effect.

A sample's noise depends on the seed and its name alone, so that contenders start alike, and a resumed run continues
with what an uninterrupted one would have made. Latents of finished batches are kept in the item cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from pvtt.encoding.store import read_variant
from pvtt.errors import PvttError
from pvtt.files.atomic import atomic_path
from pvtt.files.code import code_of
from pvtt.files.hashing import sha256_file, sha256_json
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.media.arrays import Video
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.loading import load_component
from pvtt.models.sampling import SamplingSettings, initial_noise
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.file import Params
from pvtt.records.dataset import EncodedSample


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
    """Generates batches of samples: the `Sampler` that contenders share.

    Args:
        model: Folder of the trained pipeline.
        base: Folder of the base model.
        model_sha256: Of the model's folder, for the cache.
        base_sha256: Of the base's transformer, for the cache.
        params: All of params.yaml.
        device: The device that it runs on.
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
        self.pipeline = ConditionedPipeline.from_pretrained(model, **options).to(device)
        config = self.pipeline.transformer.config
        names = ("product_dim", "tokens_per_view", "num_product_tokens", "encoder_layers", "product_heads", "max_views")
        stock = load_component(
            base / "transformer", WanTransformer3DModel, torch_dtype=torch.bfloat16 if half else torch.float32
        )
        untrained = ProductVideoTransformer.from_base(stock, **{name: config[name] for name in names})
        self._untrained = self.pipeline.with_transformer(untrained.to(device).eval())
        self._model_sha256 = model_sha256
        self._base_sha256 = base_sha256
        self._params = params
        self._device = device
        self._cache = cache

    def videos(
        self, samples: Sequence[ConditionedSample], products: Sequence[ConditionedSample] | None, *, trained: bool
    ) -> list[Video]:
        """One video, (F, H, W, 3), before compositing, for each sample.

        Args:
            samples: The samples to generate videos for.
            products: Whose photos each gets; None: no photos.
            trained: With the trained network; else with its base and an adapter that has no effect.
        """
        return self.pipeline.decode(self.latents(samples, products, trained))

    def latents(
        self, samples: Sequence[ConditionedSample], products: Sequence[ConditionedSample] | None, trained: bool
    ) -> Tensor:
        """Normalised latents of a batch, (B, C, F', h, w), from the cache or new. Arguments as for `videos`."""
        from safetensors.torch import load_file, save_file

        settings = self._params.evaluate
        key = sha256_json(
            [
                trained,
                self._model_sha256 if trained else self._base_sha256,
                code_of(Generator),
                [[one.key, sha256_file(one.path)] for one in samples],
                None if products is None else [sha256_file(one.path) for one in products],
                [settings.num_steps, settings.product_guidance, settings.text_guidance, self._params.seed],
                self._device,
            ]
        )
        path = self._cache / key[:2] / f"{key}.safetensors"
        if not path.is_file():
            latents = self._sample(samples, products, trained)
            if not latents.isfinite().all():
                names = ", ".join(one.key for one in samples)
                raise PvttError(f"the model's output for {names} is not finite", "train again at a lower learning rate")
            with atomic_path(path) as temporary:
                save_file({"latents": latents.contiguous()}, temporary)
        return load_file(path)["latents"]

    def _sample(
        self, samples: Sequence[ConditionedSample], products: Sequence[ConditionedSample] | None, trained: bool
    ) -> Tensor:
        conditions = Conditions.concatenate([one.conditions for one in samples])
        settings = SamplingSettings(
            self._params.evaluate.num_steps,
            self._params.evaluate.product_guidance,
            self._params.evaluate.text_guidance,
        )
        if products is None:
            conditions = conditions.without_product()
        else:
            conditions = conditions.with_photos_of(Conditions.concatenate([one.conditions for one in products]))
        pipeline = self.pipeline if trained else self._untrained
        return pipeline.generate(conditions, self._noise(samples), settings).cpu()

    def _noise(self, batch: Sequence[ConditionedSample]) -> Tensor:
        seeds = [int(sha256_json([self._params.seed, one.key])[:15], 16) for one in batch]
        return initial_noise(batch[0].conditions.masked_latents.shape[1:], seeds)
