"""Each attempt to promote what should not be, made on a real project, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.gated import Gated
from tests.flows.tampering import ATTEMPTS, HEADER, PAGE, Attempt, make


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.says)
def test_what_came_of_an_attempt_stands_on_the_page(
    attempt: Attempt, gated_project: Gated, prefect_api: str, tmp_path: Path
) -> None:
    row = make(attempt, gated_project.root, tmp_path)

    assert row.stopped_by == attempt.stopped_by
    assert str(row) in PAGE.read_text().splitlines(), "run `python -m tests.flows.tampering`"


def test_the_page_lists_every_attempt_and_no_other() -> None:
    text = PAGE.read_text()
    assert text.startswith(HEADER)
    rows = text.removeprefix(HEADER).splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {attempt.says}" for attempt in ATTEMPTS]
