"""The whole report as one HTML file: nothing is loaded from outside."""

from __future__ import annotations

from importlib.resources import files

from pvtt.report import sections
from pvtt.report.collect import ReportInputs
from pvtt.report.media import within_budget

# Shown first come first: the budget is spent on what a reader looks at first.
SPLIT_ORDER = ("test", "train", "val")
NAVIGATION = (
    ("decision", "Decision"),
    ("videos", "Videos"),
    ("leak", "Photos"),
    ("metrics", "Metrics"),
    ("curves", "Training"),
    ("worst", "Worst"),
    ("data", "Data"),
    ("method", "Method"),
)


def render(inputs: ReportInputs) -> str:
    """The report of one run. Equal inputs give equal bytes."""
    with_videos = [sample for sample in inputs.samples if sample.videos]
    ordered = sorted(with_videos, key=lambda sample: (SPLIT_ORDER.index(sample.split), not sample.to_rate))
    embedded = within_budget(ordered, inputs.videos)
    links = "".join(f"<a href='#{anchor}'>{label}</a>" for anchor, label in NAVIGATION)
    body = "".join(
        (
            sections.header(inputs),
            f"<nav aria-label='Sections'>{links}<button type='button' id='all'>Pause all</button></nav>",
            "<main>",
            sections.criteria(inputs),
            sections.videos(inputs, embedded),
            sections.leak(inputs),
            sections.metrics(inputs),
            sections.curves(inputs),
            sections.worst_cases(inputs, embedded),
            sections.rejects(inputs),
            sections.method(inputs),
            "</main>",
        )
    )
    style, script = (
        files("pvtt.report").joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{inputs.decision.verdict} · run {inputs.decision.run_id} · PVTT</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>{body}
<script>
{script}</script>
</body>
</html>
"""
