"""A comparison as one HTML file: nothing is loaded from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pvtt.records.parts import PARTS
from pvtt.report.compare.pictures import PictureRow
from pvtt.report.compare.record import RunComparison
from pvtt.report.compare.text import READING, difference_text, facts_of, title_of, value_text
from pvtt.report.page import STYLE, environment
from pvtt.report.sections import NOTES, VERDICTS

TEMPLATE = Path(__file__).with_name("compare.html.j2")


def render_comparison(comparison: RunComparison, pictures: Sequence[PictureRow]) -> str:
    """The page. Equal comparisons and pictures give equal bytes."""
    page = environment(TEMPLATE.parent)
    page.filters |= {"title_of": title_of, "difference": difference_text, "value": value_text, "facts_of": facts_of}
    parts = [(part, NOTES[part], [row for row in comparison.rows if row.part == part]) for part in PARTS]
    return page.get_template(TEMPLATE.name).render(
        style=STYLE.read_text(encoding="utf-8"),
        comparison=comparison,
        verdicts=VERDICTS,
        reading=READING,
        parts=[part for part in parts if part[2]],
        pictures=pictures,
    )
