"""What a training stage reports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pvtt.records.base import Record


class TrainingMetrics(Record):
    """`metrics/train_stage1.json` and `metrics/train_stage2.json`. No times, so that equal runs give equal files.

    `loss` and `loss_region` are means over the last tenth of the steps; validation losses are of the EMA weights, means
    over the noise levels of `validation.csv`, and None where there is no validation sample.
    """

    schema_version: Literal[1] = 1
    steps: int = Field(ge=1)
    samples_seen: int = Field(ge=1)
    num_parameters: int = Field(ge=1)
    num_trainable: int = Field(ge=1)
    loss: float
    loss_region: float  # mean squared error of the velocity inside the product
    validation_loss: float | None  # after the last step
    best_validation_loss: float | None
    best_validation_step: int | None
