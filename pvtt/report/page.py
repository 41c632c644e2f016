"""The whole report as one HTML file: nothing is loaded from outside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pvtt.decision.text import format_interval, format_number
from pvtt.records.decision import Comparison
from pvtt.records.evaluation import MetricStatus
from pvtt.report import sections
from pvtt.report.collect import ReportInputs
from pvtt.report.media import within_budget

TEMPLATES = Path(__file__).parent / "templates"
STYLE = Path(__file__).with_name("report.css")
SCRIPT = Path(__file__).with_name("report.js")

# Shown first come first: the budget is spent on what a reader looks at first.
PART_ORDER = ("transfer", "test", "train", "val")
STATUS_TEXT: dict[MetricStatus, str] = {
    "pass": "pass",
    "fail": "fail",
    "measured": "",
    "not_measured": "not measured",
    "too_few": "too few samples",
}
SIGNS: dict[Comparison, str] = {">": ">", ">=": "≥", "<": "<", "<=": "≤"}


def render(inputs: ReportInputs) -> str:
    """The report of one run. Equal inputs give equal bytes."""
    with_videos = [sample for sample in inputs.samples if sample.videos]
    ordered = sorted(with_videos, key=lambda sample: (PART_ORDER.index(sample.part), not sample.to_rate))
    embedded = within_budget(ordered, inputs.videos)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            style=STYLE.read_text(encoding="utf-8"),
            script=SCRIPT.read_text(encoding="utf-8"),
            verdict=inputs.decision.verdict,
            run_id=inputs.decision.run_id,
            header=sections.header(inputs),
            decision=sections.decision(inputs),
            videos=sections.videos(inputs, embedded),
            leak=sections.leak(inputs),
            routes=sections.routes(inputs),
            metrics=sections.metrics(inputs),
            training_plot=sections.training_plot(inputs),
            worst=sections.worst_cases(inputs, embedded),
            rejects=sections.rejects(inputs),
            method=sections.method(inputs),
        )
    )


def _environment() -> Environment:
    """Every value is escaped, but what a template marks `safe`; a name that is not there is an error."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": format_number,
        "interval": lambda measured: format_interval(measured.low, measured.high),
        "sign": SIGNS.__getitem__,
        "status": STATUS_TEXT.__getitem__,
    }
    return environment
