"""Every row of the experiment document's tables 8.1 and 8.2, precedence, and what incomplete means."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvtt.decision.decide import decide
from pvtt.decision.text import explain, format_decision
from pvtt.decision.what_if import with_values
from pvtt.errors import PvttError
from pvtt.records.decision import Decision, LossTrend, Measurements
from tests.decision.measurements import (
    all_good,
    default_params,
    falling_loss,
    metric,
    rating,
    rising_loss,
    rising_validation,
    with_changes,
)

PARAMS = default_params()
NOT_MEASURED = metric(None, status="not_measured")
TOO_FEW = metric(None, status="too_few")
FLAT_LOSS = LossTrend(ratio=0.99, low=0.95, high=1.03, num_steps=800)
NAN_LOSS = LossTrend(ratio=None, low=None, high=None, num_steps=800, first_non_finite_step=12)

# Field → a value that passes, values that fail, values that are not measured.
STATES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "loss": (falling_loss(), [FLAT_LOSS, NAN_LOSS, rising_loss()], [None]),
    "train_psnr": (
        metric(27.0),
        [metric(24.9)],
        [None, metric(None, status="not_measured"), metric(None, status="too_few")],
    ),
    "train_clip_i": (metric(0.85), [metric(0.7)], [None, metric(None, status="not_measured")]),
    "test_rating": (rating(3.8), [rating(2.2)], [None, rating(None)]),
    "test_flow_warp_error": (metric(1.1), [metric(2.5)], [None, metric(None, status="too_few")]),
    "test_swap_gain": (metric(1.5), [metric(0.05), metric(-1.0)], [None, metric(None, status="not_measured")]),
    "transfer_paste_gain": (metric(0.6), [metric(0.05), metric(-1.0)], [None, metric(None, status="too_few")]),
    "transfer_untrained_gain": (metric(2.0), [metric(0.05)], [None, metric(None, status="not_measured")]),
}
NAMES = {
    "loss": "loss",
    "train_psnr": "psnr",
    "train_clip_i": "clip_i",
    "test_rating": "rating",
    "test_flow_warp_error": "relative_flow_warp_error",
    "test_swap_gain": "swap_gain",
    "transfer_paste_gain": "paste_gain",
    "transfer_untrained_gain": "untrained_gain",
}
ORDER = ["diverged", "capacity", "flicker", "conditioning", "overfit", "success"]


def verdict(measurements: Measurements) -> Decision:
    return decide(measurements, PARAMS, "0" * 12)


def status_of(decision: Decision, name: str) -> str:
    return next(criterion.status for criterion in decision.criteria if criterion.name == name)


# ---- 8.1: each criterion against its target ----


@pytest.mark.parametrize("field", STATES)
def test_each_criterion_passes_fails_or_is_not_measured(field: str) -> None:
    passing, failing, unmeasured = STATES[field]
    assert status_of(verdict(with_changes(**{field: passing})), NAMES[field]) == "pass"
    for value in failing:
        assert status_of(verdict(with_changes(**{field: value})), NAMES[field]) == "fail"
    for value in unmeasured:
        assert status_of(verdict(with_changes(**{field: value})), NAMES[field]) in ("not_measured", "too_few")


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("train_psnr", metric(25.0), "fail"),  # > 25
        ("train_psnr", metric(25.01), "pass"),
        ("train_clip_i", metric(0.8), "fail"),  # > 0.8
        ("test_rating", rating(3.4), "pass"),  # the whole interval >= 3
        ("test_rating", rating(3.3), "fail"),
        ("test_flow_warp_error", metric(1.5), "pass"),  # <= max_relative_flicker
        ("test_swap_gain", metric(0.1, 0.1), "fail"),  # the whole interval above 0
        ("train_psnr", metric(float("nan")), "fail"),
    ],
)
def test_targets_at_their_borders(field: str, value: Any, status: str) -> None:
    assert status_of(verdict(with_changes(**{field: value})), NAMES[field]) == status


def test_targets_come_from_params() -> None:
    lenient = PARAMS.model_copy(update={"decide": PARAMS.decide.model_copy(update={"train_psnr": 20.0})})
    assert decide(with_changes(train_psnr=metric(21.0)), lenient, "0" * 12).verdict == "success"
    assert verdict(with_changes(train_psnr=metric(21.0))).verdict == "capacity"


# ---- 8.2: the matrix ----


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "success"),
        ({"test_rating": rating(2.0)}, "overfit"),
        ({"test_swap_gain": metric(0.0)}, "conditioning"),
        ({"transfer_paste_gain": metric(0.05)}, "conditioning"),
        ({"transfer_untrained_gain": metric(-0.5), "train_psnr": metric(40.0)}, "conditioning"),
        ({"train_psnr": metric(20.0)}, "capacity"),
        ({"train_clip_i": metric(0.5)}, "capacity"),
        ({"loss": FLAT_LOSS}, "diverged"),
        ({"loss": rising_loss()}, "diverged"),
        ({"loss": NAN_LOSS}, "diverged"),
        ({"test_flow_warp_error": metric(3.0)}, "flicker"),
    ],
)
def test_each_row(changes: dict[str, Any], expected: str) -> None:
    decision = verdict(with_changes(**changes))
    assert decision.verdict == expected
    assert decision.missing == ()
    assert decision.next_steps


@pytest.mark.parametrize(
    ("worse", "less_bad"),
    list(
        itertools.combinations(
            [
                ("diverged", {"loss": FLAT_LOSS}),
                ("capacity", {"train_psnr": metric(20.0)}),
                ("flicker", {"test_flow_warp_error": metric(3.0)}),
                ("conditioning", {"transfer_paste_gain": metric(-1.0)}),
                ("overfit", {"test_rating": rating(1.0)}),
            ],
            2,
        )
    ),
)
def test_the_fault_further_up_decides(worse: tuple[str, dict[str, Any]], less_bad: tuple[str, dict[str, Any]]) -> None:
    assert verdict(with_changes(**worse[1], **less_bad[1])).verdict == worse[0]


# ---- incomplete only where it could still change the verdict ----


@pytest.mark.parametrize(
    ("changes", "expected", "missing"),
    [
        ({"train_psnr": metric(20.0), "test_rating": None}, "capacity", ()),
        ({"train_psnr": metric(20.0), "train_clip_i": None, "test_rating": None}, "capacity", ()),
        ({"loss": NAN_LOSS, "train_psnr": None, "test_rating": None}, "diverged", ()),
        ({"test_flow_warp_error": metric(3.0), "test_rating": None}, "flicker", ()),
        ({"test_swap_gain": metric(0.0), "test_rating": None}, "conditioning", ()),
        ({"test_rating": rating(1.0), "test_swap_gain": None}, "incomplete", ("swap_gain",)),
        (
            {"transfer_paste_gain": None, "transfer_untrained_gain": None},
            "incomplete",
            ("paste_gain", "untrained_gain"),
        ),
        ({"test_rating": None}, "incomplete", ("rating",)),
        ({"train_clip_i": None}, "incomplete", ("clip_i",)),
        ({"train_clip_i": None, "test_rating": rating(1.0)}, "incomplete", ("clip_i",)),
        ({"train_clip_i": None, "test_rating": None}, "incomplete", ("clip_i", "rating")),
        ({"loss": None, "train_psnr": metric(20.0)}, "incomplete", ("loss",)),
        ({"loss": None, "train_psnr": metric(20.0), "test_rating": None}, "incomplete", ("loss",)),
        (dict.fromkeys(STATES), "incomplete", tuple(NAMES.values())),
    ],
)
def test_incomplete(changes: dict[str, Any], expected: str, missing: tuple[str, ...]) -> None:
    decision = verdict(with_changes(**changes))
    assert decision.verdict == expected
    assert decision.missing == missing


def test_an_incomplete_decision_says_how_to_measure_what_is_missing() -> None:
    decision = verdict(with_changes(test_rating=rating(None), train_clip_i=metric(None, status="not_measured")))
    commands = [step.command for step in decision.next_steps]
    assert "pvtt rate" in commands
    assert any("evaluate.clip_weights=" in command for command in commands)
    assert "0 of 6 rated" in decision.next_steps[1].text


# ---- properties ----

states = st.fixed_dictionaries(
    {
        field: st.sampled_from([("pass", passing), *(("fail", v) for v in failing), *(("none", v) for v in unmeasured)])
        for field, (passing, failing, unmeasured) in STATES.items()
    }
)


def measured(drawn: dict[str, tuple[str, Any]]) -> Measurements:
    return Measurements(**{field: value for field, (_, value) in drawn.items()})


@given(states)
def test_never_success_if_something_is_not_measured_or_failed(drawn: dict[str, tuple[str, Any]]) -> None:
    decision = verdict(measured(drawn))
    assert (decision.verdict == "success") == all(state == "pass" for state, _ in drawn.values())
    assert (decision.verdict == "incomplete") == bool(decision.missing)


@given(states, st.sampled_from(sorted(STATES)), st.booleans())
def test_measuring_more_never_changes_a_verdict(drawn: dict[str, tuple[str, Any]], field: str, passes: bool) -> None:
    before = verdict(measured(drawn))
    if before.verdict == "incomplete" or drawn[field][0] != "none":
        return
    passing, failing, _ = STATES[field]
    after = verdict(measured({**drawn, field: ("pass", passing) if passes else ("fail", failing[0])}))
    assert after.verdict == before.verdict


@given(states, st.sampled_from(sorted(STATES)))
def test_a_better_measurement_never_gives_a_worse_verdict(drawn: dict[str, tuple[str, Any]], field: str) -> None:
    before = verdict(measured(drawn))
    after = verdict(measured({**drawn, field: ("pass", STATES[field][0])}))
    if "incomplete" not in (before.verdict, after.verdict):
        assert ORDER.index(after.verdict) >= ORDER.index(before.verdict)


@given(
    st.builds(
        lambda value, spread: metric(value, abs(spread)),
        st.floats(allow_nan=True, allow_infinity=True, width=32),
        st.floats(min_value=0, max_value=10),
    )
)
def test_any_number_gives_a_verdict(value: Any) -> None:
    for field in ("train_psnr", "train_clip_i", "test_flow_warp_error", "test_swap_gain"):
        assert verdict(with_changes(**{field: value})).verdict in ORDER


def test_equal_arguments_give_equal_decisions_and_the_record_survives_json() -> None:
    decision = verdict(all_good())
    assert decision == verdict(all_good())
    assert Decision.from_json(decision.to_json()) == decision


def test_text_shows_verdict_criteria_and_commands() -> None:
    text = format_decision(
        verdict(with_changes(test_rating=rating(2.0), train_clip_i=metric(0.9))), "outs/report/report.html"
    )
    assert text.startswith("verdict: overfit")
    assert "FAIL" in text
    assert "dvc exp run -S" in text
    assert text.endswith("report: outs/report/report.html")


def test_a_continued_training_need_not_fall_but_must_not_rise() -> None:
    flat = FLAT_LOSS.model_copy(update={"continued": True})
    risen = LossTrend(ratio=1.2, low=1.1, high=1.3, num_steps=60, continued=True)
    assert verdict(with_changes(loss=flat)).verdict != "diverged"
    decision = verdict(with_changes(loss=risen))
    assert decision.verdict == "diverged"
    assert decision.reason.startswith("The loss rose over 60 steps")


# ---- what a person must see ----


def test_a_lowered_target_is_named_wherever_the_verdict_stands() -> None:
    lenient = PARAMS.model_copy(
        update={"decide": PARAMS.decide.model_copy(update={"train_psnr": 20.0, "max_relative_flicker": 3.0})}
    )
    decision = decide(with_changes(train_psnr=metric(21.0)), lenient, "0" * 12)
    assert decision.verdict == "success"
    assert decision.lowered_targets == (
        "decide.train_psnr is 20, the experiment document asks 25",
        "decide.max_relative_flicker is 3, the experiment document asks 1.5",
    )
    assert "\x1b[31mLowered target: decide.train_psnr is 20" in format_decision(decision)
    stricter = PARAMS.model_copy(update={"decide": PARAMS.decide.model_copy(update={"train_psnr": 30.0})})
    assert decide(all_good(), stricter, "0" * 12).lowered_targets == ()


def test_a_rising_validation_loss_is_said() -> None:
    decision = verdict(with_changes(validation=rising_validation()))
    assert "The validation loss has risen since step 20 of 26 (0.2 → 0.25)" in decision.reason


def test_the_explanation_marks_the_row_that_decided() -> None:
    text = explain(verdict(with_changes(transfer_paste_gain=metric(-1.0), test_rating=None)))
    rows = [line for line in text.splitlines() if line.startswith("→")]
    assert rows == ["→ conditioning: if one of these fails"]
    assert "better than a pasted photo (product PSNR, dB) the whole interval > 0: -1 [-1.1, -0.9], FAIL" in text
    unsure = explain(verdict(with_changes(test_rating=None)))
    assert "→ incomplete: rating is not measured" in unsure


def test_what_if() -> None:
    measured = with_changes(train_psnr=metric(20.0), test_rating=None, loss=rising_loss())
    assert decide(with_values(measured, {"loss": 0.9}), PARAMS, "0" * 12).verdict == "capacity"
    assert decide(with_values(measured, {"loss": 0.9, "psnr": 26}), PARAMS, "0" * 12).verdict == "incomplete"
    assert decide(with_values(measured, {"loss": 0.9, "psnr": 26, "rating": 4}), PARAMS, "0" * 12).verdict == "success"
    with pytest.raises(PvttError, match="there is no criterion psnt"):
        with_values(measured, {"psnt": 26})


def test_a_figure_below_its_target_never_looks_like_it() -> None:
    decision = verdict(with_changes(train_psnr=metric(24.9996)))
    assert "training PSNR (dB): 24.9996, target > 25" in decision.reason
    assert "24.9996" in format_decision(decision)
    assert "24.9996" in explain(decision)


@pytest.mark.parametrize(
    ("part", "missing"),
    [
        ("train", ("psnr", "clip_i")),
        ("test", ("rating", "relative_flow_warp_error", "swap_gain")),
        ("transfer", ("paste_gain", "untrained_gain")),
    ],
)
def test_a_part_that_was_left_out_leaves_the_verdict_open_and_is_taken_in_again(
    part: str, missing: tuple[str, ...]
) -> None:
    kept = {"train": ("test", "transfer"), "test": ("train",), "transfer": ("train", "test")}[part]
    params = PARAMS.model_copy(update={"evaluate": PARAMS.evaluate.model_copy(update={"parts": kept})})
    fields = {name: field for field, name in NAMES.items()}
    unmeasured = {fields[name]: rating(None) if name == "rating" else NOT_MEASURED for name in missing}
    decision = decide(with_changes(**unmeasured), params, "0" * 12)
    assert decision.verdict == "incomplete"
    assert decision.missing == missing
    (step,) = decision.next_steps
    assert step.text == f"evaluate.parts leaves {part} out: take it in again."
    wanted = {"train": "train,test,transfer", "test": "train,test", "transfer": "train,test,transfer"}[part]
    assert step.command.replace('"', "").replace("'", "").endswith(f"evaluate.parts=[{wanted}]")


def test_no_transfers_asked_for_are_asked_for() -> None:
    params = PARAMS.model_copy(update={"evaluate": PARAMS.evaluate.model_copy(update={"max_transfers": 0})})
    unmeasured = {"transfer_paste_gain": NOT_MEASURED, "transfer_untrained_gain": NOT_MEASURED}
    (step,) = decide(with_changes(**unmeasured), params, "0" * 12).next_steps
    assert "evaluate.max_transfers=8" in step.command
