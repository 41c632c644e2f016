"""What a training stage reports: its figures, and its curves as CSV files of numbers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

from pydantic import Field

from pvtt.errors import PvttError
from pvtt.files.workspace import require_output
from pvtt.records.base import Record

LOSS_FILE = "loss.csv"  # in a training stage's output directory: a row a logged step
VALIDATION_FILE = "validation.csv"  # beside it: a row a noise level at each validation


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


def read_columns(path: Path, stage: str, columns: tuple[str, ...]) -> list[tuple[float, ...]]:
    """Columns of numbers of a CSV file that a stage writes, row by row.

    Raises:
        MissingInputError: There is no such file; says how to run the stage.
        PvttError: A column is not there, or a value is no number.
    """
    with require_output(path, stage).open(newline="", encoding="utf-8") as file:
        try:
            return [tuple(float(row[column]) for column in columns) for row in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError) as error:
            raise PvttError(
                f"{path}: needs numbers in the columns {', '.join(columns)}: {error}",
                f"run `dvc repro --force {stage}`",
            ) from None
