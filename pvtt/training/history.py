"""The history of a training as files and figures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pvtt.training.checkpoint import validation_losses

FINAL_FRACTION = 0.1  # of the steps that the final loss is the mean of


def summarise_history(history: Sequence[dict[str, float]], held_out: Sequence[dict[str, float]]) -> dict[str, Any]:
    """The fields of `TrainingMetrics` that come from the rows of `loss.csv` and `validation.csv`."""
    last = history[-max(1, int(FINAL_FRACTION * len(history))) :]
    losses = validation_losses(held_out)
    best = min(losses, key=lambda step: losses[step], default=None)
    return {
        "loss": sum(row["loss"] for row in last) / len(last),
        "loss_region": sum(row["loss_region"] for row in last) / len(last),
        "validation_loss": losses[max(losses)] if losses else None,
        "best_validation_loss": None if best is None else losses[best],
        "best_validation_step": best,
    }


def write_csv(path: Path, rows: Sequence[dict[str, float]], columns: Sequence[str] | None = None) -> None:
    """Write rows with a header; floats in full precision.

    Args:
        path: The .csv to write.
        rows: Column → value; all rows have the same columns.
        columns: The header where there are no rows.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else list(columns or ()), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
