"""The decision: measured criteria, a verdict, and what to do next (`metrics/decision.json`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from pvtt.records.base import Record, read_output
from pvtt.records.evaluation import MetricValue
from pvtt.records.parts import Part

Verdict = Literal["success", "overfit", "conditioning", "capacity", "diverged", "flicker", "incomplete"]
CriterionStatus = Literal["pass", "fail", "not_measured", "too_few"]
Comparison = Literal[">", ">=", "<", "<="]


class LossTrend(Record):
    """How the training loss moved, over all training stages in their order.

    `ratio` is the median loss of the last window over that of the first; below 1 it fell.
    """

    ratio: float | None  # None where a loss was not finite
    low: float | None  # 95 % bootstrap interval
    high: float | None
    num_steps: int = Field(ge=0)
    first_non_finite_step: int | None = None  # index into the joined history
    rising: bool = False  # the last window lies clearly above the best one before it
    continued: bool = False  # training started from a trained model, whose loss had fallen before
    still_falling: bool = False  # the last window lies clearly below the one before it: more steps would help


class ValidationTrend(Record):
    """How the loss on the validation split moved, at fixed noise; steps are counted over all training stages."""

    best_step: int = Field(ge=0)
    best: float
    last_step: int = Field(ge=0)
    last: float
    rising: bool = False  # it has been above its best for a while: longer training makes it worse


class RatingControls(Record):
    """What raters gave to videos that were hidden among those to rate, on average."""

    ground_truth: float | None = None  # the truth, as it was filmed
    mean_fill: float | None = None  # the hole in one colour
    num_repeated: int = Field(default=0, ge=0)  # videos that were rated a second time
    repeat_difference: float | None = None  # between the two scores, absolute
    unreliable: tuple[str, ...] = ()  # raters who do not count: they did not rate the truth above the one colour


class RatingSummary(Record):
    """Human ratings of test products' videos, transfers among them, 1–5: the mean of the videos' mean ratings."""

    value: float | None
    low: float | None  # 95 % bootstrap interval over products
    high: float | None
    of_part: dict[Part, float] = Field(default_factory=dict)  # the mean of the videos with enough raters
    num_videos: int = Field(ge=0)  # with enough raters
    num_videos_to_rate: int = Field(ge=0)
    num_raters: int = Field(ge=0)
    num_ratings: int = Field(ge=0)
    agreement: float | None  # Krippendorff's alpha, ordinal metric; None with fewer than two raters
    controls: RatingControls = RatingControls()
    status: Literal["measured", "too_few", "not_measured"]  # too few: products, for an interval over them


class Measurements(Record):
    """All that the decision looks at. None: not there."""

    loss: LossTrend | None = None
    validation: ValidationTrend | None = None
    train_psnr: MetricValue | None = None
    train_clip_i: MetricValue | None = None
    test_rating: RatingSummary | None = None
    test_flow_warp_error: MetricValue | None = None  # relative to the ground truth's own
    test_swap_gain: MetricValue | None = None
    transfer_paste_gain: MetricValue | None = None  # the model's lead in product PSNR, dB
    transfer_untrained_gain: MetricValue | None = None
    beaten_by: tuple[str, ...] = ()  # which other contenders beat the model, a sentence each


class Criterion(Record):
    """One criterion of the experiment document's section 8.1, or a guard against photos that do not matter."""

    name: str
    part: Part
    label: str  # for a person
    comparison: Comparison
    bound: Literal["value", "low", "high"]  # which of the three the target is compared with
    target: float
    value: float | None
    low: float | None
    high: float | None
    status: CriterionStatus


class NextStep(Record):
    """What to do next, and the command that does it."""

    text: str
    command: str


class Decision(Record):
    """`metrics/decision.json`."""

    schema_version: Literal[2] = 2
    run_id: str
    verdict: Verdict
    reason: str
    criteria: tuple[Criterion, ...]
    missing: tuple[str, ...]  # criteria not measured that could still change the verdict
    next_steps: tuple[NextStep, ...]
    ratings: RatingSummary | None = None
    validation: ValidationTrend | None = None
    lowered_targets: tuple[str, ...] = ()  # those easier than the experiment document's, a phrase each
    beaten_by: tuple[str, ...] = ()  # which other contenders beat the model, a sentence each; no criterion


def read_decision(path: Path) -> Decision:
    """Read `metrics/decision.json`.

    Raises:
        MissingInputError: There is no such file.
        PvttError: It is not in this format.
    """
    return read_output(path, Decision, "decide")
