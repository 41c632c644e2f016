"""Both training stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.params.base import Fraction, Positive, Weight
from pvtt.records.base import Record


class LossParams(Record):
    """Weights of the loss's terms; a weight of 0 costs nothing."""

    region: Weight = 1.0  # extra weight of the product region in the velocity's squared error
    hole: Weight = 0.0  # the same for all that is generated: the rest of the frame is the template's own pixels
    temporal_difference: Weight = 0.0  # differences between neighbouring latent frames
    stca: Weight = 0.0  # product attention inside the mask (MotionBooth)
    preservation: Weight = 0.0  # whole-video generation without product (MotionBooth)


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


class TrainParams(Record):
    start: Literal["base", "champion"] = "base"  # stage 1 starts from the base with new parts, or from model.champion
    precision: Literal["fp32", "bf16"] = "bf16"  # of the transformer's computation
    gradient_checkpointing: bool = False  # less memory, more time
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: for matrices, with AdamW for the rest; not with FSDP2
    product_dropout: Fraction = 0.1  # share of samples trained without photos, for classifier-free guidance
    text_dropout: Fraction = 0.1  # the same for the caption
    sigma_shift: Positive = 3.0  # how far noise levels lean towards noise
    sigma_sampling: Literal["logit_normal", "uniform"] = "logit_normal"  # distribution of noise levels before the shift
    validation_pictures: int = Field(default=2, ge=0)  # validation samples generated and drawn at each validation
    loss: LossParams = LossParams()
    wandb: Literal["offline", "online", "disabled"] = "offline"  # how Weights & Biases logs
    stage1: StageTrainParams
    stage2: StageTrainParams
