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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from pvtt.errors import PvttError
from pvtt.evaluation.metrics.arrays import Video
from pvtt.files.atomic import atomic_path
from pvtt.files.hashing import code_version, sha256_file, sha256_json
from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.models.loading import load_component
from pvtt.models.sampling import initial_noise, sample
from pvtt.models.text import encode_text
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.models.vae import decode_latents, to_pixels
from pvtt.params.file import Params
from pvtt.records.dataset import EncodedSample

RunName = Literal["generated", "swapped", "blank", "untrained"]
RUNS: tuple[RunName, ...] = get_args(RunName)

CODE = ("generation", "models")  # that the latents of a run depend on


@dataclass(frozen=True)
class Conditions:
    """One sample's tensors, variant 0, float32 on the CPU."""

    key: str
    path: Path
    masked_latents: Tensor  # (16, F', h, w)
    mask: Tensor  # (4, F', h, w)
    product_tokens: Tensor  # (N, L, Dp)
    text: Tensor  # (T, Dt)


def read_conditions(folder: Path, encoded: EncodedSample) -> Conditions:
    """Read what a sample is generated from.

    Raises:
        PvttError: The file is missing, damaged, or lacks a tensor.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / encoded.path
    try:
        with safe_open(path, framework="pt") as file:
            first = {name: file.get_slice(name)[0].float() for name in ("masked_latents", "mask", "product_tokens")}
            return Conditions(encoded.key, path, text=file.get_tensor("text").float(), **first)
    except (OSError, SafetensorError, KeyError) as error:
        raise PvttError(
            f"{path}: cannot be read as an encoded sample: {error}", "run `dvc repro --force encode`"
        ) from error


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

    def latents(self, run: RunName, batch: Sequence[Conditions], partners: Sequence[Conditions]) -> Tensor:
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

    def _sample(self, run: RunName, batch: Sequence[Conditions], sources: Sequence[Conditions]) -> Tensor:
        tokens = torch.nn.utils.rnn.pad_sequence([one.product_tokens for one in sources], batch_first=True)
        present = torch.arange(tokens.shape[1]) < torch.tensor([[len(one.product_tokens)] for one in sources])
        guided = run in ("generated", "swapped")  # without product, guiding towards it changes nothing but the cost
        settings = self._params.evaluate
        latents = sample(
            self._untrained if run == "untrained" else self._trained,
            self.pipeline.scheduler,
            noise=self._noise(batch).to(self._device),
            mask=torch.stack([one.mask for one in batch]).to(self._device),
            masked_latents=torch.stack([one.masked_latents for one in batch]).to(self._device),
            product_tokens=tokens.to(self._device),
            product_view_mask=(present if guided else torch.zeros_like(present)).to(self._device),
            text=torch.stack([one.text for one in batch]).to(self._device),
            empty_text=self._empty_text.to(self._device),
            num_steps=settings.num_steps,
            product_guidance=settings.product_guidance if guided else 0.0,
            text_guidance=settings.text_guidance,
        )
        return latents.cpu()

    def _noise(self, batch: Sequence[Conditions]) -> Tensor:
        seeds = [int(sha256_json([self._params.seed, one.key])[:15], 16) for one in batch]
        return initial_noise(batch[0].masked_latents.shape, seeds)

    def decode(self, latents: Tensor) -> list[Video]:
        """Latents (B, 16, F', h, w) → B videos, before compositing."""
        with torch.inference_mode():
            return list(to_pixels(decode_latents(self._vae, latents.to(self._device))).cpu().numpy())
