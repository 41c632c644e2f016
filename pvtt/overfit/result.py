"""What came of learning a few samples by heart, and what to try where it is not enough."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from pvtt.records.base import Record

POINTS = 20  # of the curve
FALLING = 0.95  # of the loss of the tenth part before: below, it still falls
LEARNED = 0.8  # of the first loss: above, hardly anything was learned


class LearnedSample(Record):
    """Product PSNR in dB, None where the sample shows no product: generated from noise, and the VAE's own."""

    key: str
    generated: float | None
    ceiling: float | None


class CurvePoint(Record):
    """Mean losses of the steps up to and with `step`, since the point before."""

    step: int
    loss: float
    loss_region: float


class OverfitResult(Record):
    """Means are over the samples that show a product."""

    schema_version: Literal[1] = 1
    samples: tuple[LearnedSample, ...]
    generated: float  # dB
    ceiling: float  # dB
    within_db: float = Field(ge=0)
    steps: int
    lr: float
    seed: int
    minutes: float  # of training, since this run began
    num_trainable: int
    num_parameters: int
    sampling_steps: int
    curve: tuple[CurvePoint, ...]

    @property
    def below(self) -> float:
        """How far the generated videos are below the ceiling, in dB."""
        return self.ceiling - self.generated

    @property
    def is_learned(self) -> bool:
        return self.below <= self.within_db

    def advice(self) -> list[str]:
        """What to try where the samples are not learned, the likeliest first."""
        losses = [point.loss for point in self.curve]
        if losses[-1] >= LEARNED * losses[0]:
            return [
                f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f} only: raise --lr tenfold, or lower it so",
                "see in train.stage2.trainable whether what should learn is trained, and in train.loss what is taught",
                "look at the picture: a ceiling without the product is a fault of the base's VAE or of `encode`",
            ]
        more = f"more steps: --steps {2 * self.steps}"
        quiet = f"a lower peak of the learning rate: --lr {self.lr / 3:.1g}"
        finer = f"more sampling steps than {self.sampling_steps}: --sampling-steps {2 * self.sampling_steps}"
        tenth = max(1, len(losses) // 10)
        falls = losses[-1] < FALLING * losses[-1 - tenth] if len(losses) > tenth else True
        return [more, quiet, finer] if falls else [quiet, finer, more]

    def lines(self) -> list[str]:
        """For a person: the curve, then each sample."""
        curve = "  ".join(f"{point.step}: {point.loss:.3f}" for point in self.curve)
        rows = [f"  {one.key:24}{_db(one.generated):>10}{_db(one.ceiling):>10}" for one in self.samples]
        return [
            f"loss by step  {curve}",
            f"product PSNR, dB          generated   ceiling   ({self.minutes:.1f} minutes, {self.steps} steps)",
            *rows,
            f"  {'mean':24}{self.generated:>10.2f}{self.ceiling:>10.2f}   {self.below:.2f} dB below the ceiling",
        ]


def _db(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def curve_of(loss_file: Path) -> tuple[CurvePoint, ...]:
    """At most `POINTS` points of a `loss.csv`."""
    with loss_file.open(newline="", encoding="utf-8") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    ends = sorted({round(len(rows) * (number + 1) / POINTS) for number in range(POINTS)} - {0})
    return tuple(_mean(rows[start:end]) for start, end in zip([0, *ends[:-1]], ends, strict=True))


def _mean(rows: Sequence[dict[str, float]]) -> CurvePoint:
    loss, region = (sum(row[name] for row in rows) / len(rows) for name in ("loss", "loss_region"))
    return CurvePoint(step=int(rows[-1]["step"]), loss=loss, loss_region=region)
