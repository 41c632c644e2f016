"""`ProductVideoPipeline`: a template and photos in, videos out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from diffusers.utils import BaseOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from pvtt.encoding.collage import Collage, HoleShape, collage
from pvtt.encoding.collage_tensors import collage_fields, collage_video, draft_video
from pvtt.encoding.masks import MaskShape, fill_hole, pack_mask, unpack_mask
from pvtt.errors import PvttError
from pvtt.generation.composite import FEATHER, composite
from pvtt.generation.conditioned import ConditionedPipeline
from pvtt.generation.inputs import MaskLike, PhotoLike, TemplateInput, VideoLike, read_batch
from pvtt.media.arrays import Rgba, Video
from pvtt.media.inpaint import inpaint
from pvtt.models.camera import CameraShift
from pvtt.models.conditioning.conditions import Conditions
from pvtt.models.conditioning.photo_features import (
    CANVAS_BACKGROUND,
    VAE_BACKGROUND,
    PhotoNetwork,
    encode_canvases,
    encode_photos,
    flatten_photo,
    load_photo_networks,
)
from pvtt.models.contracts import MaskContract
from pvtt.models.place import PlaceEdit, places_of_word
from pvtt.models.sampling import SamplingSettings
from pvtt.models.text import encode_text
from pvtt.models.vae import SPATIAL_FACTOR, encode_video, to_unit_range
from pvtt.params.encode import MaskParams


@dataclass
class ProductVideoOutput(BaseOutput):
    """What the pipeline returns.

    Args:
        frames: For each of the B videos (F, H, W, 3) uint8 RGB, or F PIL pictures; outside the mask the template's own
            pixels. None if only latents were asked for.
        latents: Normalised latents, (B, C, F', h, w).
    """

    frames: list[Video] | list[list[Image.Image]] | None
    latents: Tensor


class ProductVideoPipeline(ConditionedPipeline):
    """Generates a product into template videos.

        pipeline = ProductVideoPipeline.from_pretrained("outs/train_stage2/model")
        output = pipeline("template.mp4", "mask.png", ["front.jpg", "side.jpg"], "a gold ring")
        write_video(Path("ring.mp4"), output.frames[0], fps=24)

    `encode`, `generate` and `decode` are its three steps; `ConditionedPipeline` has the arguments.
    """

    _photo_networks: dict[str, PhotoNetwork] | None = None

    def load_photo_networks(
        self, image_encoder: str | None = None, dino_encoder: str | None = None
    ) -> dict[str, PhotoNetwork]:
        """The networks behind a checkpoint's `image_features`, loaded once; they are not part of a checkpoint.

        Args:
            image_encoder: Folder of the CLIP.
            dino_encoder: Folder of DINOv2.

        Raises:
            MissingInputError: One is not given, or not there.
        """
        if self._photo_networks is None:
            self._photo_networks = load_photo_networks(self.config.image_features, image_encoder, dino_encoder)
        return self._photo_networks

    @torch.no_grad()
    def encode(
        self, batch: Sequence[TemplateInput], image_encoder: str | None = None, dino_encoder: str | None = None
    ) -> Conditions:
        """Pixels → conditions, on the pipeline's device.

        Args:
            batch: B inputs with videos of one shape.
            image_encoder: Folder of the CLIP, for checkpoints whose `image_features` is `clip` or `clip_dino`.
            dino_encoder: Folder of DINOv2, for those whose it is `clip_dino`.
        """
        device = self._execution_device
        pixels = to_unit_range(torch.from_numpy(np.stack([one.video for one in batch])).to(device))
        masked = self._masked(batch, pixels)
        templates = encode_video(self.vae, pixels) if "template_frames" in self._conditioning else None
        context: list[dict[str, Tensor]] = [{} for _ in batch]
        if "context_blocks" in self._conditioning:
            empty = encode_video(self.vae, torch.zeros_like(pixels[:1]))
            context = [self._context(one, empty) for one in batch]
        texts = [one.prompt for one in batch]
        text = encode_text(texts, self.tokenizer, self.text_encoder, self.config.text_tokens).float()
        networks = self.load_photo_networks(image_encoder, dino_encoder)
        samples = []
        for place, one in enumerate(batch):
            num_views = len(one.photos)
            samples.append(
                Conditions(
                    mask=pack_mask(one.mask)[None].to(device),
                    photo_latents=self._photo_latents(one.photos)[None].to(device),
                    view_mask=torch.ones(1, num_views, dtype=torch.bool, device=device),
                    text=text[place : place + 1].to(device),
                    **self._photo_tokens(one.photos, networks, device),
                    template_latents=None if templates is None else templates[place : place + 1],
                    **masked[place],
                    **context[place],
                )
            )
        return Conditions.concatenate(samples)

    @property
    def _conditioning(self) -> Sequence[str]:
        names: Sequence[str] = self.transformer.config.conditioning
        return names

    def _context(self, one: TemplateInput, empty_latents: Tensor) -> dict[str, Tensor]:
        """What `context_blocks` read of an input beside its masked video."""
        height, width = one.mask.shape[1:]
        canvases = torch.zeros(0, *empty_latents.shape[1:2], *empty_latents.shape[3:])
        if one.photos:
            photos = [flatten_photo(photo, min(height, width), CANVAS_BACKGROUND) for photo in one.photos]
            canvases = encode_canvases(self.vae, np.stack(photos), height, width)
        tensors = {"context_mask": unpack_mask(one.mask), "canvas_latents": canvases}
        return {name: tensor[None].to(empty_latents) for name, tensor in tensors.items()} | {
            "reactive_latents": empty_latents
        }

    def _masked(self, batch: Sequence[TemplateInput], pixels: Tensor) -> list[dict[str, Tensor]]:
        """Each input's template with its hole, and with a photo in it where the model reads that; `pixels` are the
        templates, (B, 3, F, H, W)."""
        contract = self.mask_contract
        hole = torch.from_numpy(np.stack([one.mask for one in batch]))[:, None].to(pixels.device)
        given = batch if "collage" in self._conditioning else []
        collages = [self._collage(one) for one in given]
        drawn = [
            collage_video(made, one.video, one.mask, contract.fill).to(pixels.device)
            for made, one in zip(collages, given, strict=True)
        ]
        latents = encode_video(self.vae, torch.cat([fill_hole(pixels, hole, contract.fill), *drawn]))
        made_of: list[dict[str, Tensor]] = [{"masked_latents": one} for one in latents[: len(batch)]]
        for fields, made, one, own in zip(made_of, collages, given, latents[len(batch) :], strict=False):
            fields |= collage_fields(made, one.mask, own, fields["masked_latents"])
        return [{name: tensor[None] for name, tensor in fields.items()} for fields in made_of]

    @torch.no_grad()
    def drafts(self, batch: Sequence[TemplateInput]) -> Tensor:
        """What sampling starts from where its strength is below 1, (B, C, F', h, w): as `Conditions` has it."""
        drawn = [draft_video(self._collage(one), inpaint(one.video, one.mask), one.mask) for one in batch]
        return encode_video(self.vae, torch.cat(drawn).to(self.vae.device))

    def _collage(self, one: TemplateInput) -> Collage:
        if one.collage is not None:
            return one.collage
        contract = self.mask_contract
        params = MaskParams.model_validate(contract.model_dump(include=set(MaskParams.model_fields)))
        shape = HoleShape(MaskShape.evaluation(params).kind, contract.dilation)
        return collage(one.video, one.mask, one.photos, shape)

    def _photo_latents(self, photos: Sequence[Rgba]) -> Tensor:
        """Latents of N photos, (N, C, y, x)."""
        if not photos:
            side = self.config.photo_size // SPATIAL_FACTOR
            return torch.zeros(0, self.transformer.config.in_channels, side, side)
        return encode_photos(self.vae, self._flattened(photos, VAE_BACKGROUND))

    def _photo_tokens(
        self, photos: Sequence[Rgba], networks: Mapping[str, PhotoNetwork], device: torch.device
    ) -> dict[str, Tensor]:
        """The networks' tokens of N photos, (1, N, L, Dp) each, by the field of `Conditions`."""
        return {
            name: network(self._flattened(photos, network.background))[None].to(device)
            if photos
            else torch.zeros(1, 0, network.tokens_per_view, network.dim, device=device)
            for name, network in networks.items()
        }

    def _flattened(self, photos: Sequence[Rgba], background: int) -> npt.NDArray[np.uint8]:
        return np.stack([flatten_photo(photo, self.config.photo_size, background) for photo in photos])

    @torch.no_grad()
    def __call__(
        self,
        video: VideoLike | Sequence[VideoLike],
        mask: MaskLike | Sequence[MaskLike] | None,
        photos: PhotoLike | Sequence[PhotoLike] | Sequence[Sequence[PhotoLike]] = (),
        prompt: str | Sequence[str] = "",
        *,
        num_inference_steps: int = 50,
        product_guidance: float = 3.0,
        text_guidance: float = 1.0,
        strength: float = 1.0,
        camera: CameraShift | None = None,
        place: PlaceEdit | None = None,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        feather: float = FEATHER,
        mask_contract: MaskContract | None = None,
        image_encoder: str | None = None,
        dino_encoder: str | None = None,
        output_type: Literal["np", "pil", "latent"] = "np",
    ) -> ProductVideoOutput:
        """Generate one video or a batch: of `video`, `mask`, `photos` and `prompt` each is one for all, or a list.

        Args:
            video: The template: a file, an array (F, H, W, 3) uint8 RGB, or its frames as PIL pictures or arrays.
                F = 4n+1, H and W multiples of 16.
            mask: Where to generate, with room around the product, as in training. The file of a video or a picture or
                PIL pictures: where they are brighter than mid-grey. An array of 0 and 1, (F, H, W). A single picture or
                (H, W) stands for all frames.
                None, for a checkpoint whose conditioning needs no mask (`template_frames` alone or with photos): all of
                the output is used as it is.
            photos: Of the new product: files, PIL pictures, or arrays (H, W, 3 or 4) uint8. The model has seen products
                without background. A square RGBA photo with transparent pixels is taken as it is; any other is cut out
                and centred as the `photos` stage does it with its default params, so the background of an RGB photo is
                removed. None at all generates without product.
            prompt: The caption; empty is legal.
            num_inference_steps: Steps of the scheduler.
            product_guidance: Strength of the product; 1 is as it is.
            text_guidance: Strength of the text; 1 is as it is.
            strength: Noise level that sampling starts from. Below 1 it starts from a draft, the photo that fits best
                pasted into the hole, with so much noise: the lower, the more of the photo stays.
            camera: Moves the camera in what is generated, without training; for videos that are all hole.
            place: Draws the product into a box, without training; its word is sought in the prompt.
            generator: Of the starting noise; a list has one for each video, which then does not depend on its batch.
            latents: In place of `generator`: the starting noise itself, (B, C, F', h, w).
            feather: Width of the blended edge as a fraction of the short side.
            mask_contract: How `mask` was made, where that is known; it must be the checkpoint's.
            image_encoder: Folder of the CLIP, for checkpoints whose `image_features` is `clip` or `clip_dino`.
            dino_encoder: Folder of DINOv2, for those whose it is `clip_dino`.
            output_type: `np`, `pil`, or `latent` to leave out decoding.

        Raises:
            PvttError: The inputs cannot be read, or do not fit each other or the checkpoint; says which and how.
        """
        if output_type not in ("np", "pil", "latent"):
            raise PvttError(f"output_type is {output_type!r}", "give np, pil or latent")
        if mask_contract is not None:
            self.mask_contract.require_equal(mask_contract, "this call")
        if mask is None and not {"mask_channels", "collage", "context_blocks"}.isdisjoint(self._conditioning):
            raise PvttError(
                f"no mask, and {', '.join(self._conditioning)} are told where to generate by one", "give a mask"
            )
        batch = read_batch(video, mask, photos, prompt)
        if not 0 < strength <= 1:
            raise PvttError(f"strength is {strength}", "give a noise level above 0, at most 1")
        conditions = self.encode(batch, image_encoder, dino_encoder)
        if strength < 1:
            conditions = conditions.with_draft(self.drafts(batch))
        noise = self._noise(conditions, generator, latents)
        words: Sequence[tuple[int, ...]] = ()
        if place is not None:
            prompts = [one.prompt for one in batch]
            words = places_of_word(place.word, prompts, self.tokenizer, self.config.text_tokens)
        settings = SamplingSettings(
            num_inference_steps, product_guidance, text_guidance, camera, strength, place, tuple(words)
        )
        generated = self.generate(conditions, noise, settings)
        if output_type == "latent":
            return ProductVideoOutput(frames=None, latents=generated)
        videos = [
            composite(decoded, one.video, one.mask, feather)
            for one, decoded in zip(batch, self.decode(generated), strict=True)
        ]
        if output_type == "pil":
            return ProductVideoOutput([[Image.fromarray(frame) for frame in made] for made in videos], generated)
        return ProductVideoOutput(videos, generated)

    def _noise(
        self, conditions: Conditions, generator: torch.Generator | list[torch.Generator] | None, latents: Tensor | None
    ) -> Tensor:
        shape = tuple(conditions.masked_latents.shape)
        if latents is not None and tuple(latents.shape) != shape:
            raise PvttError(f"latents are of shape {tuple(latents.shape)}", f"give starting noise of shape {shape}")
        if isinstance(generator, list) and len(generator) != len(conditions):
            raise PvttError(f"{len(generator)} generators for {len(conditions)} videos", "give one for each")
        if latents is not None:
            return latents
        noise: Tensor = randn_tensor(shape, generator=generator, device=self._execution_device, dtype=torch.float32)
        return noise
