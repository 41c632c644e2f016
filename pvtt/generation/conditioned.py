"""`ConditionedPipeline`: a trained model as a diffusers pipeline, from conditions to videos, a batch at a time.

This is the path that all generating takes. It is apart from `ProductVideoPipeline`, which makes conditions of people's
pictures, so that what an evaluation measures does not depend on how pictures are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from pvtt.errors import PvttError, first_line
from pvtt.files.storage import raise_storage_fault
from pvtt.media.arrays import Video
from pvtt.models.bases import ProductTransformer
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.contracts import Contracts, MaskContract
from pvtt.models.loading import align, load_scheduler, load_text_encoder, load_vae, require_pipeline
from pvtt.models.origin import forget_origin
from pvtt.models.pipeline_folder import name_pipeline_class
from pvtt.models.sampling import SamplingSettings, sample
from pvtt.models.text import encode_text
from pvtt.models.vae import decode_latents, to_pixels
from pvtt.params.encode import EncodeParams


class ConditionedPipeline(DiffusionPipeline):
    """Generates videos from `Conditions`.

        pipeline = ConditionedPipeline.from_pretrained(folder).to(device)
        latents = pipeline.generate(conditions, initial_noise(shape, seeds), SamplingSettings(num_steps=20))
        videos = pipeline.decode(latents)                       # B arrays, (F, H, W, 3)
        composite(videos[0], template, mask)                    # the template's own pixels outside the mask

    Args:
        vae: The base's VAE.
        text_encoder: The base's text encoder.
        tokenizer: The text encoder's tokenizer.
        transformer: The trained transformer.
        scheduler: A flow-matching scheduler.
        image_features: What the transformer's product tokens read: `vae`, the photos' latents, `clip`, or `clip_dino`.
        photo_size: Side in pixels that the networks see a photo in.
        text_tokens: Tokens that a prompt is padded to.
        contracts: What masks and crops mean to this checkpoint. A saved folder holds them as files.
    """

    model_cpu_offload_seq = "text_encoder->transformer->vae"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        transformer: ProductTransformer,
        scheduler: Any,
        image_features: str = "vae",
        photo_size: int = 224,
        text_tokens: int = 512,
        contracts: Contracts | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer, scheduler=scheduler
        )
        self.register_to_config(image_features=image_features, photo_size=photo_size, text_tokens=text_tokens)
        self._contracts = contracts
        self._empty_text: Tensor | None = None

    @classmethod
    def from_base(cls, base: Path, transformer: ProductTransformer, params: EncodeParams) -> Self:
        """A trained transformer with the frozen parts of its base, ready for `save_pretrained`.

        Args:
            base: The base's folder.
            transformer: The trained transformer.
            params: The settings that the samples it was trained on were encoded with.

        Raises:
            PvttError, MissingInputError: The base cannot be loaded.
        """
        require_pipeline(base)
        tokenizer, text_encoder = load_text_encoder(base)
        return cls(
            vae=load_vae(base),
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            transformer=transformer,
            scheduler=load_scheduler(base),
            image_features=params.image_features,
            photo_size=params.photo_size,
            text_tokens=params.text_tokens,
            contracts=Contracts.from_params(params),
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> Self:
        """Load a folder that `save_pretrained` or a training wrote; nothing is downloaded, no code of it is run.

        Raises:
            MissingInputError: The folder, one of its parts or its mask contract is not there.
            PvttError: It cannot be loaded.
        """
        require_pipeline(Path(folder))
        contracts = Contracts.load(Path(folder))
        try:
            pipeline: Self = super().from_pretrained(str(folder), local_files_only=True, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise_storage_fault(error, Path(folder))
            raise PvttError(
                f"cannot load a pipeline from {folder}: {first_line(error)}", "train again to write it anew"
            ) from error
        for component in pipeline.components.values():
            align(component)
        pipeline._contracts = contracts
        return pipeline

    @classmethod
    def load_config(cls, *arguments: Any, **options: Any) -> Any:
        """As diffusers', with this class in place of the one that the folder names in its own Python file."""
        loaded = super().load_config(*arguments, **options)
        config = loaded[0] if isinstance(loaded, tuple) else loaded
        config["_class_name"] = cls.__name__
        return loaded

    def save_pretrained(self, folder: str | Path, *arguments: Any, **options: Any) -> None:
        """Write the whole pipeline and its contracts: the same files wherever it was loaded from."""
        super().save_pretrained(str(folder), *arguments, **options)
        forget_origin(Path(folder))
        name_pipeline_class(Path(folder))
        self.contracts.save(Path(folder))

    @property
    def contracts(self) -> Contracts:
        """What masks and crops mean to this checkpoint.

        Raises:
            PvttError, MissingInputError: The pipeline was made without, or its folder lacks one.
        """
        if self._contracts is None:
            folder = self.config.get("_name_or_path")  # diffusers' own `from_pretrained` notes it
            if folder is None:
                raise PvttError("the pipeline has no contracts", "use Contracts.from_params(params.encode)")
            self._contracts = Contracts.load(Path(folder))
        return self._contracts

    @property
    def mask_contract(self) -> MaskContract:
        """What masks mean to this checkpoint. Raises as `contracts`."""
        return self.contracts.mask

    def with_transformer(self, transformer: ProductTransformer) -> Self:
        """A pipeline around another transformer that shares all other parts."""
        config = {name: self.config[name] for name in ("image_features", "photo_size", "text_tokens")}
        parts = self.components | {"transformer": transformer}
        return type(self)(**parts, **config, contracts=self.contracts)

    @torch.no_grad()
    def empty_text(self) -> Tensor:
        """Embedding of the empty text, (T, Dt), float32."""
        if self._empty_text is None:
            texts = encode_text([""], self.tokenizer, self.text_encoder, self.config.text_tokens)
            self._empty_text = texts[0].float()
        return self._empty_text

    @torch.no_grad()
    def generate(self, conditions: Conditions, noise: Tensor, settings: SamplingSettings) -> Tensor:
        """Conditions and noise → latents.

        Args:
            conditions: What the B samples are generated from, on any device.
            noise: (B, C, F', h, w), as `pvtt.models.sampling.initial_noise` makes it of B seeds: then a sample does
                not depend on its batch.
            settings: Steps and guidance.

        Returns:
            Normalised latents, (B, C, F', h, w), float32, on the pipeline's device.
        """
        noise = noise.to(self._execution_device)
        return sample(self.transformer, self.scheduler, noise, conditions, self.empty_text(), settings)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> list[Video]:
        """Normalised latents (B, C, F', h, w) → B videos, (F, H, W, 3), before compositing."""
        return list(to_pixels(decode_latents(self.vae, latents.to(self._execution_device))).cpu().numpy())
