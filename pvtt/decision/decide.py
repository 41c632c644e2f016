"""The decision matrix of the experiment document's section 8.2.

Precedence, first match wins. A fault further up explains those below it, so it is mended first:

| verdict        | when                                                          |
|----------------|---------------------------------------------------------------|
| `diverged`     | the loss did not converge: nothing measured after it means    |
|                | much                                                          |
| `capacity`     | the loss converged, yet the training set is not reproduced    |
| `flicker`      | it is reproduced, but the videos flicker (raters would mark   |
|                | it)                                                           |
| `conditioning` | the photos do not matter enough: another product's give as    |
|                | good a video, or on transfers a pasted photo, or the base     |
|                | without training, is as good, whatever the PSNR               |
| `overfit`      | training is good; on test products the rating is low          |
| `success`      | all criteria passed                                           |

What was not measured could be either. The verdict is `incomplete` exactly when that matters: when two ways of filling
in the unmeasured criteria give different verdicts.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from pvtt.decision.criteria import judge, lowered_targets
from pvtt.decision.next_steps import next_steps
from pvtt.params.file import Params
from pvtt.records.decision import Criterion, Decision, Measurements, ValidationTrend, Verdict
from pvtt.stats.digits import apart

UNMEASURED = ("not_measured", "too_few")
# What a fault means, and the criteria that show it, in the order of precedence.
FAULTS: dict[Verdict, tuple[str, tuple[str, ...]]] = {
    "capacity": ("The loss converged, but the training set is not reproduced well enough", ("psnr", "clip_i")),
    "flicker": ("The videos flicker more than the ground truth does", ("relative_flow_warp_error",)),
    "conditioning": (
        "The model does not make enough of the product's photos",
        ("swap_gain", "paste_gain", "untrained_gain"),
    ),
    "overfit": ("Training is good, but test products are not", ("rating",)),
}
MATRIX: dict[Verdict, tuple[str, ...]] = {"diverged": ("loss",), **{name: shown for name, (_, shown) in FAULTS.items()}}


def decide(measurements: Measurements, params: Params, run_id: str) -> Decision:
    """The verdict on one evaluated run. Pure: equal arguments, equal decision.

    Args:
        measurements: What was measured; None or `not_measured` where it was not.
        params: The run's own params: targets, and the values that the next steps start from.
        run_id: Of the evaluation, carried into the record.
    """
    criteria = judge(measurements, params.decide)
    failed = [verdict for verdict, (_, names) in FAULTS.items() if _has_failed(criteria, names)]
    missing = missing_criteria(criteria)
    verdict: Verdict = "incomplete" if missing else _matrix(_passed(criteria, {}))
    return Decision(
        run_id=run_id,
        verdict=verdict,
        reason=_reason(verdict, criteria, missing, measurements) + _of_validation(measurements.validation),
        criteria=criteria,
        missing=missing,
        next_steps=next_steps(verdict, missing, failed, params, measurements),
        ratings=measurements.test_rating,
        validation=measurements.validation,
        lowered_targets=lowered_targets(params.decide),
        beaten_by=measurements.beaten_by,
    )


def missing_criteria(criteria: Sequence[Criterion]) -> tuple[str, ...]:
    """Names of the unmeasured criteria that could still change the verdict, in the criteria's order."""
    unknown = [criterion.name for criterion in criteria if criterion.status in UNMEASURED]
    verdicts = {
        outcome: _matrix(_passed(criteria, dict(zip(unknown, outcome, strict=True))))
        for outcome in itertools.product((True, False), repeat=len(unknown))
    }

    def matters(index: int) -> bool:
        return any(
            verdict != verdicts[(*outcome[:index], not outcome[index], *outcome[index + 1 :])]
            for outcome, verdict in verdicts.items()
        )

    return tuple(name for index, name in enumerate(unknown) if matters(index))


def _has_failed(criteria: Sequence[Criterion], names: Sequence[str]) -> bool:
    return any(criterion.status == "fail" for criterion in criteria if criterion.name in names)


def _passed(criteria: Sequence[Criterion], assumed: Mapping[str, bool]) -> dict[str, bool]:
    return {c.name: assumed.get(c.name, c.status == "pass") for c in criteria}


def _matrix(passed: Mapping[str, bool]) -> Verdict:
    return next((verdict for verdict, names in MATRIX.items() if not all(passed[name] for name in names)), "success")


def _shown(criterion: Criterion) -> str:
    value = "none" if criterion.value is None else apart(criterion.value, criterion.target)[0]
    return f"{criterion.label}: {value}, target {criterion.comparison} {criterion.target:g}"


def _of_validation(trend: ValidationTrend | None) -> str:
    if trend is None or not trend.rising:
        return ""
    return (
        f" The validation loss has risen since step {trend.best_step} of {trend.last_step} "
        f"({trend.best:.3g} → {trend.last:.3g}): training longer makes test products worse."
    )


def _reason(verdict: Verdict, criteria: Sequence[Criterion], missing: Sequence[str], measurements: Measurements) -> str:
    loss = measurements.loss
    by_name = {criterion.name: criterion for criterion in criteria}
    failed = [_shown(criterion) for criterion in criteria if criterion.status == "fail"]
    if verdict == "success":
        return "All criteria passed."
    if verdict == "incomplete":
        names = ", ".join(by_name[name].label for name in missing)
        so_far = f" Below target already: {'; '.join(failed)}." if failed else " What was measured passed."
        return f"Not measured, and it could change the verdict: {names}.{so_far}"
    if verdict == "diverged":
        assert loss is not None
        if loss.first_non_finite_step is not None:
            return f"The loss was not a finite number at step {loss.first_non_finite_step} of {loss.num_steps}."
        if loss.rising:
            return f"The loss rose again before the end ({loss.num_steps} steps)."
        fell = "rose" if loss.continued else "did not fall"
        return f"The loss {fell} over {loss.num_steps} steps ({_shown(by_name['loss'])}, for the whole interval)."
    lead, deciding = FAULTS[verdict]
    shown = "; ".join(_shown(by_name[name]) for name in deciding if by_name[name].status == "fail")
    others = [_shown(c) for c in criteria if c.status == "fail" and c.name not in deciding]
    also = f" Also below target: {'; '.join(others)}." if others else ""
    return f"{lead} ({shown}).{also}"
