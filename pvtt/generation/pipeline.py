"""`ProductVideoPipeline`: a trained model as a `diffusers` pipeline, template and photos in, video out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput
from torch import Tensor

from pvtt.encoding.masks import fill_hole, pack_mask
from pvtt.errors import PvttError, first_line
from pvtt.files.storage import raise_storage_fault
from pvtt.generation.composite import FEATHER, composite
from pvtt.media.arrays import Region
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.photo_features import ImageFeatures, flatten_photo, load_image_features
from pvtt.models.loading import load_scheduler, load_text_encoder, load_vae, require_pipeline
from pvtt.models.mask_contract import MaskContract
from pvtt.models.origin import forget_origin
from pvtt.models.sampling import SamplingSettings, sample
from pvtt.models.text import encode_text
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.models.vae import TEMPORAL_FACTOR, decode_latents, encode_video, latent_frames, to_pixels, to_unit_range
from pvtt.params.encode import EncodeParams

SIZE_MULTIPLE = 16  # 8 by the VAE, 2 by the patches
REVERSED_BORDER = 0.95  # of the border masked: no clip that passes `segment` comes near this


@dataclass
class ProductVideoOutput(BaseOutput):
    """What the pipeline returns.

    Args:
        frames: (F, H, W, 3) uint8 RGB, outside the mask the template's own pixels. None if only latents were asked for.
        latents: Normalised latents, (1, C, F', h, w).
    """

    frames: npt.NDArray[np.uint8] | None
    latents: Tensor


class ProductVideoPipeline(DiffusionPipeline):
    """Generates a product into a template video.

    Args:
        vae: Wan's VAE.
        text_encoder: Wan's UMT5 encoder.
        tokenizer: The text encoder's tokenizer.
        transformer: The trained transformer.
        scheduler: A flow-matching scheduler.
        image_features: What the transformer's product tokens are: `vae` or `clip`.
        photo_size: Side in pixels that the features see a photo in.
        text_tokens: Tokens that a prompt is padded to.
        mask_contract: What masks mean to this checkpoint. `from_pretrained` reads it from `mask_contract.json`.
    """

    model_cpu_offload_seq = "text_encoder->transformer->vae"

    def __init__(
        self,
        vae: Any,
        text_encoder: Any,
        tokenizer: Any,
        transformer: ProductVideoTransformer,
        scheduler: Any,
        image_features: str = "vae",
        photo_size: int = 224,
        text_tokens: int = 512,
        mask_contract: MaskContract | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, transformer=transformer, scheduler=scheduler
        )
        self.register_to_config(image_features=image_features, photo_size=photo_size, text_tokens=text_tokens)
        self.mask_contract = mask_contract
        self._features: ImageFeatures | None = None

    @classmethod
    def from_base(cls, base: Path, transformer: ProductVideoTransformer, params: EncodeParams) -> Self:
        """A trained transformer with the frozen parts of its base, ready for `save_pretrained`.

        Args:
            base: The base's folder.
            transformer: The trained transformer.
            params: As the samples it was trained on were encoded with.

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
            mask_contract=MaskContract.from_params(params.mask),
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options: Any) -> Self:
        """Load a folder that `save_pretrained` wrote; nothing is downloaded.

        Raises:
            MissingInputError: The folder, one of its parts or its mask contract is not there.
            PvttError: It cannot be loaded.
        """
        require_pipeline(Path(folder))
        contract = MaskContract.load(Path(folder))
        try:
            pipeline: Self = super().from_pretrained(str(folder), local_files_only=True, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise_storage_fault(error, Path(folder))
            raise PvttError(
                f"cannot load a pipeline from {folder}: {first_line(error)}", "train again to write it anew"
            ) from error
        pipeline.mask_contract = contract
        return pipeline

    def save_pretrained(self, folder: str | Path, *arguments: Any, **options: Any) -> None:
        """Write the whole pipeline and `mask_contract.json`."""
        super().save_pretrained(str(folder), *arguments, **options)
        forget_origin(Path(folder))
        self._contract().save(Path(folder))

    def _contract(self) -> MaskContract:
        if self.mask_contract is None:
            raise PvttError("the pipeline has no mask contract", "use MaskContract.from_params(params.encode.mask)")
        return self.mask_contract

    def load_features(self, image_encoder: str | None = None) -> ImageFeatures:
        """The network that turns photos into tokens, loaded once.

        Args:
            image_encoder: Folder of the CLIP, where `image_features` is `clip`; it is not part of a checkpoint.

        Raises:
            MissingInputError: `clip` without its folder.
        """
        if self._features is None:
            self._features = load_image_features(
                self.config.image_features, self.vae, image_encoder, self.config.photo_size
            )
        return self._features

    @torch.no_grad()
    def __call__(
        self,
        video: npt.NDArray[np.uint8],
        mask: Region,
        photos: Sequence[npt.NDArray[np.uint8]] = (),
        prompt: str = "",
        *,
        product_tokens: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        num_inference_steps: int = 50,
        product_guidance: float = 3.0,
        text_guidance: float = 1.0,
        generator: torch.Generator | None = None,
        latents: Tensor | None = None,
        feather: float = FEATHER,
        mask_contract: MaskContract | None = None,
        image_encoder: str | None = None,
        output_type: str = "np",
    ) -> ProductVideoOutput:
        """Generate.

        Args:
            video: The template, (F, H, W, 3) uint8 RGB; F = 4n+1, H and W multiples of 16.
            mask: Where to generate, (F, H, W), of 0 and 1 or False and True: 1 = generate.
            photos: Square RGBA pictures of the new product, (S, S, 4) uint8. None at all generates without product.
            prompt: The caption; empty is legal.
            product_tokens: In place of `photos`: their tokens, (N, L, Dp).
            prompt_embeds: In place of `prompt`: its embedding, (T, Dt).
            num_inference_steps: Steps of the scheduler.
            product_guidance: Strength of the product; 1 is as it is.
            text_guidance: Strength of the text; 1 is as it is.
            generator: Of the starting noise.
            latents: In place of `generator`: the starting noise itself, (1, C, F', h, w).
            feather: Width of the blended edge as a fraction of the short side.
            mask_contract: How `mask` was made, where that is known; it must be the checkpoint's.
            image_encoder: Folder of the CLIP, for checkpoints whose `image_features` is `clip`.
            output_type: `np`, or `latent` to leave out decoding.

        Raises:
            PvttError: The inputs do not fit each other or the checkpoint; says which and how.
        """
        contract = self._contract()
        if mask_contract is not None:
            contract.require_equal(mask_contract, "this call")
        check_inputs(video, mask)
        device = self._execution_device
        hole = np.asarray(mask).astype(bool)
        pixels = to_unit_range(torch.from_numpy(video)[None].to(device))
        masked = fill_hole(pixels, torch.from_numpy(hole)[None, None].to(device), contract.fill)
        masked_latents = encode_video(self.vae, masked)

        tokens = self._product_tokens(photos, image_encoder) if product_tokens is None else product_tokens
        has_product = product_tokens is not None or len(photos) > 0
        text, empty_text = encode_text([prompt, ""], self.tokenizer, self.text_encoder, self.config.text_tokens).float()
        if latents is None:
            shape = (1, *masked_latents.shape[1:])
            latents = torch.randn(shape, generator=generator, device=generator.device if generator else device)
        generated = sample(
            self.transformer,
            self.scheduler,
            latents.to(device),
            Conditions(
                mask=pack_mask(hole)[None].to(device),
                masked_latents=masked_latents,
                product_tokens=tokens[None].to(device),
                view_mask=torch.full((1, len(tokens)), has_product, device=device),
                text=(text if prompt_embeds is None else prompt_embeds.float())[None].to(device),
            ),
            empty_text,
            SamplingSettings(num_inference_steps, product_guidance, text_guidance),
        )
        if output_type == "latent":
            return ProductVideoOutput(frames=None, latents=generated)
        decoded = to_pixels(decode_latents(self.vae, generated))[0].cpu().numpy()
        return ProductVideoOutput(frames=composite(decoded, video, hole, feather), latents=generated)

    def _product_tokens(self, photos: Sequence[npt.NDArray[np.uint8]], image_encoder: str | None) -> Tensor:
        config = self.transformer.config
        if not photos:  # one masked view: the learned null product
            return torch.zeros(1, config.tokens_per_view, config.product_dim)
        features = self.load_features(image_encoder)
        return features(np.stack([flatten_photo(photo, features.photo_size, features.background) for photo in photos]))


def check_inputs(video: npt.NDArray[np.uint8], mask: npt.NDArray[Any]) -> None:
    """Refuse a template and mask that a model would silently make nonsense of.

    Raises:
        PvttError: Wrong type, shape, length, size or mask values.
    """
    if video.dtype != np.uint8 or video.ndim != 4 or video.shape[-1] != 3:
        raise PvttError(f"video is {video.dtype} of shape {video.shape}", "give uint8 RGB frames, (F, H, W, 3)")
    num_frames, height, width, _ = video.shape
    if num_frames % TEMPORAL_FACTOR != 1:
        legal = (latent_frames(num_frames) - 1) * TEMPORAL_FACTOR + 1
        raise PvttError(f"{num_frames} frames is not 4n+1", f"give {legal} or {legal + TEMPORAL_FACTOR} frames")
    if height % SIZE_MULTIPLE or width % SIZE_MULTIPLE:
        raise PvttError(f"{width}×{height} is no multiple of {SIZE_MULTIPLE}", "resize or crop the template")
    if mask.shape != video.shape[:3]:
        raise PvttError(f"mask is of shape {mask.shape}, the video of {video.shape}", "give a mask for each frame")
    values = np.unique(mask)
    if not np.isin(values, (0, 1)).all():
        shown = ", ".join(f"{value:g}" for value in values[:4])
        raise PvttError(f"mask has values {shown}", "give 1 where to generate and 0 elsewhere, for example mask > 127")
    border = np.concatenate([mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]], axis=1)
    if border.mean() > REVERSED_BORDER and not mask.all():
        raise PvttError(
            "mask covers nearly all of the frames' border and spares their inside: it looks reversed",
            "1 means generate, 0 means keep: give 1 - mask",
        )
