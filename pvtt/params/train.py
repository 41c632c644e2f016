"""Both training stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pvtt.params.base import Fraction, Positive, Weight
from pvtt.records.base import Record

Attention = Literal["auto", "math", "efficient", "flash", "cudnn", "flash_attn_2", "flash_attn_3", "xformers"]


class LossParams(Record):
    """Weights of the loss's terms; a weight of 0 costs nothing. docs/losses.md says when to use which."""

    velocity: Weight = 1.0  # squared error of the velocity over the whole frame
    region: Weight = 1.0  # extra weight of the product region in `velocity`
    hole: Weight = 0.0  # the same for all that is generated: the rest of the frame is the template's own pixels
    temporal_difference: Weight = 0.0  # differences between neighbouring latent frames
    stca: Weight = 0.0  # product attention inside the mask (MotionBooth)
    preservation: Weight = 0.0  # whole-video generation without product (MotionBooth)
    foreign_preservation: Weight = 0.0  # the base's velocity on foreign clips; needs `encode.preservation_clips`
    outside: Weight = 0.0  # error where the template is kept (DreamSwapV's (1 - M)·L)
    inside: Weight = 0.0  # mean error of what is generated, however small the hole (DreamSwapV's λ)
    contrastive: Weight = 0.0  # another product's photos must explain the product worse than its own
    perceptual: Weight = 0.0  # how a few decoded frames look to a network; `train.perceptual` says which
    point_patch: Weight = 0.0  # error around tracked points of the product (VideoSwap); needs `encode.point_tracks`

    @model_validator(mode="after")
    def _something_is_learned(self) -> LossParams:
        if self.velocity == self.outside == self.inside == 0:
            raise ValueError("velocity, outside and inside are all 0: nothing would say what the video is")
        return self


class PerceptualParams(Record):
    """What `loss.perceptual` compares."""

    network: Literal["lpips_alex", "lpips_vgg"] = "lpips_vgg"  # whose features are compared
    weights: str | None = None  # local file: torchvision's AlexNet or VGG16
    latent_frames: int = Field(default=1, ge=1)  # decoded, from the first on: 1 + 4·(n - 1) frames
    max_sigma: Fraction = 0.5  # only samples up to this noise level: above it the estimate is a blur


class LoraParams(Record):
    """An adapter in place of `trainable`: frozen weights, and a product of two thin matrices beside each."""

    rank: int = Field(default=0, ge=0)  # of the adapter; 0: off
    alpha: Positive = 16.0  # the adapter counts alpha / rank
    targets: tuple[str, ...] = (
        "blocks.*.attn?.to_q",
        "blocks.*.attn?.to_k",
        "blocks.*.attn?.to_v",
        "blocks.*.attn?.to_out.0",
    )  # patterns of linear layers' names that get one


class StageTrainParams(Record):
    """One training stage."""

    steps: int = Field(ge=1)  # optimizer steps
    batch_size: int = Field(ge=1)  # samples, over all processes together
    gradient_accumulation: int = Field(default=1, ge=1)  # batches an optimizer step
    lr: Positive  # the peak of the learning rate
    warmup_steps: int = Field(default=20, ge=0)  # linear, from 0
    min_lr_fraction: Fraction = 0.1  # where the cosine ends, as a share of lr
    weight_decay: float = Field(default=0.01, ge=0)  # decoupled, as AdamW has it
    max_grad_norm: Positive = 1.0  # gradients with a larger norm are clipped
    ema_decay: Fraction = 0.99  # of the averaged weights, each step
    checkpoint_every: int = Field(default=100, ge=1)  # steps
    validate_every: int = Field(default=100, ge=1)  # steps
    trainable: tuple[str, ...] = ()  # patterns of parameter names
    lora: LoraParams = LoraParams()


class TrainParams(Record):
    start: Literal["base", "champion"] = "base"  # stage 1 starts from the base with new parts, or from model.champion
    precision: Literal["fp32", "bf16"] = "bf16"  # of the transformer's computation
    gradient_checkpointing: bool = False  # less memory, more time
    compile: bool = False  # the transformer's blocks, with TorchInductor: for a GPU; takes a minute at the start
    attention: Attention = "auto"  # kernels of attention to the video and to the text; auto: torch's choice
    deterministic: bool = True  # equal runs give equal bytes; false lets a GPU take faster kernels
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: for matrices, with AdamW for the rest; not with FSDP2
    product_dropout: Fraction = 0.1  # share of samples trained without photos, for classifier-free guidance
    text_dropout: Fraction = 0.1  # the same for the caption
    sigma_shift: Positive = 3.0  # how far noise levels lean towards noise
    sigma_sampling: Literal["logit_normal", "uniform"] = "logit_normal"  # distribution of noise levels before the shift
    semantic_schedule: Fraction = 0.0  # share of samples with product kept at noise levels ≥ 0.5 (VideoSwap)
    view_dropout: Fraction = 1.0  # share of samples that get a random subset of their photos, the others all
    validation_pictures: int = Field(default=2, ge=0)  # validation samples generated and drawn at each validation
    loss: LossParams = LossParams()
    perceptual: PerceptualParams = PerceptualParams()
    contrastive_margin: Positive = 0.1  # of squared velocity error: from there on `loss.contrastive` is content
    wandb: Literal["offline", "online", "disabled"] = "offline"  # how Weights & Biases logs
    stage1: StageTrainParams
    stage2: StageTrainParams

    @model_validator(mode="after")
    def _new_parts_are_trained_whole(self) -> TrainParams:
        if self.stage1.lora.rank:
            raise ValueError(
                "stage1.lora.rank is not 0: the first stage trains new parts, beside which there is nothing to adapt; "
                "LoRA is a mode of stage2"
            )
        return self
