"""Both training stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.params.base import Fraction, Positive, Weight
from pvtt.records.base import Record


class LossParams(Record):
    region: Weight = 1.0  # extra weight of the product region in the velocity's squared error
    hole: Weight = 0.0  # the same for all that is generated: the rest of the frame is the template's own pixels
    temporal_difference: Weight = 0.0
    stca: Weight = 0.0  # product attention inside the mask (MotionBooth)
    preservation: Weight = 0.0  # whole-video generation without product (MotionBooth)


class StageTrainParams(Record):
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    gradient_accumulation: int = Field(default=1, ge=1)
    lr: Positive
    warmup_steps: int = Field(default=20, ge=0)
    min_lr_fraction: Fraction = 0.1
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: Positive = 1.0
    ema_decay: Fraction = 0.99
    checkpoint_every: int = Field(default=100, ge=1)
    validate_every: int = Field(default=100, ge=1)
    trainable: tuple[str, ...] = ()  # parameter name patterns, as the seeds declare them


class TrainParams(Record):
    precision: Literal["fp32", "bf16"] = "bf16"
    gradient_checkpointing: bool = False
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: of matrices, with AdamW for the rest; not with FSDP2
    product_dropout: Fraction = 0.1  # for classifier-free guidance
    text_dropout: Fraction = 0.1
    sigma_shift: Positive = 3.0
    sigma_sampling: Literal["logit_normal", "uniform"] = "logit_normal"  # before the shift
    validation_pictures: int = Field(default=2, ge=0)  # validation samples generated and drawn at each validation
    loss: LossParams = LossParams()
    wandb: Literal["offline", "online", "disabled"] = "offline"
    stage1: StageTrainParams
    stage2: StageTrainParams
