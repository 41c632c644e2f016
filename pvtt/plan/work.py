"""FLOPs and seconds of every stage.

    forward        2·P·S + 4·S²·D·L of one sample: every parameter sees every patch, and attention's two products
    a step         forward, once more under gradient checkpointing, and a backward pass: as much again for what flows
                   through, and once more T/P for the weights that are trained; attention's backward counts twice
    the VAE        5.1 MFLOP a pixel to encode a video, 6.8 a still, 8.6 to decode: counted on the meta device, of
                   Wan2.1's own; a test counts them again

A loss that runs the model a second time (contrastive, preservation, foreign_preservation) costs a forward pass each.
"""

from __future__ import annotations

from dataclasses import dataclass

from pvtt.params.file import Params
from pvtt.plan.shape import Architecture, SampleShape

VAE_ENCODE, VAE_ENCODE_STILL, VAE_DECODE = 5.1e6, 6.8e6, 8.6e6  # FLOPs a pixel
TEXT_PARAMETERS = 5.68e9  # of UMT5-XXL's encoder
HELD_OUT_SIGMAS, HELD_OUT_SAMPLES, PICTURE_STEPS = 5, 32, 8  # as pvtt/training/held_out.py has them
TRANSFERS_NEED = 2  # videos that are encoded for a transfer's sample beside its own
FILM_SECONDS, OVERLAP = 10.0, 9  # the film that `generate` is planned for; frames that two windows share
HASHED_BYTES_S = 200e6
CLIP_BYTES = 4e6


@dataclass(frozen=True)
class Model:
    """What a forward pass depends on."""

    shape: Architecture
    parameters: int
    patches: int

    @property
    def linear(self) -> float:
        """FLOPs of all products with weights, one sample."""
        return 2.0 * self.parameters * self.patches

    @property
    def attention(self) -> float:
        """FLOPs of self-attention's two products."""
        return 4.0 * self.patches**2 * self.shape.dim * self.shape.num_layers

    @property
    def forward(self) -> float:
        """FLOPs of a forward pass of one sample."""
        return self.linear + self.attention


def forward_passes(params: Params) -> int:
    """Of the model in one evaluation of the loss."""
    loss = params.train.loss
    return 1 + sum(weight > 0 for weight in (loss.contrastive, loss.preservation, loss.foreign_preservation))


def step_flops(params: Params, model: Model, trained: int, checkpointing: bool) -> float:
    """FLOPs of one sample's share of an optimizer step.

    Args:
        params: Which losses are on.
        model: What is trained.
        trained: Parameters that get gradients.
        checkpointing: Blocks are computed once more in the backward pass.
    """
    linear = 2 + checkpointing + trained / model.parameters
    attention = 3 + checkpointing
    return forward_passes(params) * (linear * model.linear + attention * model.attention)


def validation_flops(params: Params, model: Model, num_validation: int, num_processes: int) -> float:
    """FLOPs of one of some processes for looking at held-out samples once: their loss, and pictures."""
    held_out = HELD_OUT_SIGMAS * -(-min(HELD_OUT_SAMPLES, num_validation) // num_processes)
    pictures = PICTURE_STEPS * min(params.train.validation_pictures, num_validation)
    return (held_out + pictures) * model.forward


def passes_a_step(params: Params) -> int:
    """Forward passes of a sampling step, as `guidance_weights` in `pvtt/models/sampling.py` needs them."""
    product, text = params.evaluate.product_guidance, params.evaluate.text_guidance
    return max(1, sum(abs(weight) > 0 for weight in (product, text - product, 1 - text)))


def video_flops(params: Params, model: Model, sample: SampleShape) -> float:
    """FLOPs of generating one video."""
    steps = max(1, round(params.evaluate.num_steps * params.evaluate.strength))
    return steps * passes_a_step(params) * model.forward + VAE_DECODE * sample.pixels


def encode_flops(params: Params, sample: SampleShape) -> float:
    """FLOPs of encoding one training sample with all its variants."""
    extras = params.model.encoded_extras
    videos = 2 + ("template" in extras) + 2 * ("context" in extras) + ("collage" in extras)
    stills = sample.photo_pixels
    if "context" in extras:
        stills += params.encode.max_photos * params.encode.height * params.encode.width
    variant = VAE_ENCODE * videos * sample.pixels + VAE_ENCODE_STILL * stills
    text = 2 * TEXT_PARAMETERS * params.encode.text_tokens if model_is_wan(params) else 0
    return params.encode.variants * variant + text


def model_is_wan(params: Params) -> bool:
    """Whether the base has Wan's own text encoder and VAE, and not wan-tiny's small ones."""
    return params.profile != "tiny"


def evaluated_videos(params: Params, clips: int) -> int:
    """Videos that an evaluation samples: each sample by the model, without photos, with another's, by the untrained
    base, and where sampling starts from a draft or a champion, by these too; `seeds` times."""
    of_parts = {"train": 0.8, "val": 0.1, "test": 0.1}
    samples = sum(
        min(params.evaluate.max_clips_per_split, round(share * clips))
        for part, share in of_parts.items()
        if part in params.evaluate.parts
    )
    samples += params.evaluate.max_transfers if "transfer" in params.evaluate.parts else 0
    contenders = 4 + (params.train.start == "champion") + (params.evaluate.strength < 1)
    return samples * contenders * params.evaluate.seeds


def film_windows(params: Params) -> int:
    """Windows that a film of `FILM_SECONDS` is generated in."""
    frames = FILM_SECONDS * params.clip.fps / params.encode.frame_stride
    fresh = max(1, params.encode.num_frames - min(OVERLAP, params.encode.num_frames // 2))
    return max(1, -(-int(frames) // fresh))
