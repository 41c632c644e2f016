"""The whole report as one HTML file: nothing is loaded from outside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pvtt.decision.text import format_interval, format_number
from pvtt.errors import PvttError
from pvtt.records.decision import Comparison
from pvtt.records.evaluation import MetricStatus
from pvtt.report import sections
from pvtt.report.collect import ReportInputs
from pvtt.report.header import Facts, header
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
        environment()
        .get_template("page.html.j2")
        .render(
            style=STYLE.read_text(encoding="utf-8"),
            script=SCRIPT.read_text(encoding="utf-8"),
            verdict=inputs.decision.verdict,
            run_id=inputs.decision.run_id,
            header=header(inputs),
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


def with_facts(page: str, inputs: ReportInputs, here: Facts) -> str:
    """A run's page with a first screen that also says what is so in this clone alone.

    Args:
        page: As `render` made it of these inputs.
        inputs: Everything that it shows.
        here: The further facts, as (name, value).

    Raises:
        PvttError: The page is of another run.
    """
    head, begin, rest = page.partition("<header>")
    _, end, tail = rest.partition("</header>")
    if not end or f"run {inputs.decision.run_id} · PVTT</title>" not in head:
        raise PvttError(f"the report is not of run {inputs.decision.run_id}", "run `dvc repro report` first")
    section = environment().get_template("header.html.j2")
    made = section.render(verdict=inputs.decision.verdict, header=header(inputs, here))
    _, _, made = made.partition(begin)
    return head + begin + made.partition(end)[0] + end + tail


def environment(*folders: Path) -> Environment:
    """Templates of these folders beside the report's own.

    Every value is escaped, but what a template marks `safe`; a name that is not there is an error.
    """
    made = Environment(
        loader=FileSystemLoader([TEMPLATES, *folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": format_number,
        "interval": lambda of, beside=None: format_interval(of.low, of.high, beside),
        "sign": SIGNS.__getitem__,
        "status": STATUS_TEXT.__getitem__,
    }
    return made
