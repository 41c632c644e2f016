"""Tables for a paper: every metric and contender, the best in bold, and what is missing said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvtt.evaluation.contenders.all import contenders
from pvtt.evaluation.metrics.all import METRICS
from pvtt.records.evaluation import MetricValue, read_metrics
from pvtt.report.grid import Cell, Grid, Line, markdown_text, to_latex, to_markdown
from pvtt.report.paper import paper_tables
from tests.evaluated import EvaluatedProject
from tests.report.latex import require_latex


def test_both_formats_hold_every_metric_with_its_interval_and_every_contender(reported: EvaluatedProject) -> None:
    metrics = read_metrics(reported.workspace.metrics / "evaluate.json")
    out = reported.workspace.out("report")
    markdown, latex = (out / "tables.md").read_text(), (out / "tables.tex").read_text()
    psnr = metrics.test["product_psnr"]
    assert psnr.value is not None
    assert psnr.low is not None
    for text in (markdown, latex):
        for metric in METRICS:
            label = metric.label.split("/")[0]
            assert label in text or label.replace("Δ", r"$\Delta$") in text
        for contender in contenders():
            if f"product_psnr_{contender.name}" in metrics.test:
                assert f"\n{contender.label} & " in text or f"\n| {contender.label} | " in text
        assert f"{psnr.value:.4g} [{psnr.low:.4g}" in text.replace("\\[", "[")
        assert "n = 4" in text
        assert "LPIPS" in text.split("A dash:", 1)[1]  # its network is missing
    require_latex(latex)
    bodies = re.findall(r"\\begin\{tabular\}\{(l(r+))\}\n\\toprule\n(.*?)\\bottomrule", latex, re.DOTALL)
    assert len(bodies) == 3
    for _, numbers, body in bodies:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 5
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {len(numbers)}


def test_the_best_is_bold_where_a_column_ranks_and_the_ceiling_is_none(reported: EvaluatedProject) -> None:
    metrics = read_metrics(reported.workspace.metrics / "evaluate.json")
    grid = paper_tables(metrics)[1]
    psnr = next(place for place, name in enumerate(grid.head) if name.startswith("product PSNR"))
    numbers = {line.label: float(line.cells[psnr - 1].text.split()[0]) for line in grid.lines}
    del numbers["ceiling"]
    best = max(numbers.values())
    assert {line.label for line in grid.lines if line.cells[psnr - 1].bold} == {
        label for label, number in numbers.items() if number == best
    }
    ranking = {
        place for place, name in enumerate(grid.head) for one in METRICS if one.ranks and name.startswith(one.label)
    }
    assert {place for line in grid.lines for place, cell in enumerate(line.cells, 1) if cell.bold} == ranking


def test_what_is_missing_is_a_dash_with_its_reason(project_root: Path) -> None:
    metrics = read_metrics(project_root / "metrics" / "evaluate.json")
    few = MetricValue(value=None, low=None, high=None, n=2, status="too_few")
    grid = paper_tables(metrics.model_copy(update={"test": metrics.test | {"seam": few}, "transfer": {}}))[0]
    seam = next(line for line in grid.lines if line.label.startswith("seam"))
    assert [cell.text for cell in seam.cells][2:] == ["–", "–"]
    assert "seam: too few samples" in grid.note
    assert re.search(r"LPIPS.*: not measured", grid.note)


@pytest.mark.parametrize("text", [r"a\b & 50 % of $x_1 #2 {y} ~z^", "<b>|`x`*\ntwo lines", r"\input{/etc/passwd}"])
def test_text_is_text_in_both_formats(text: str) -> None:
    grid = Grid(text, text, (text, text), (Line(text), Line(text, (Cell(text, bold=True),))), text)
    latex, markdown = to_latex([grid], text), to_markdown([grid])
    body = "\n".join(line for line in latex.splitlines() if not line.startswith("%"))
    assert r"\input" not in body
    assert body.count(r"\\" + "\n") == 3
    assert not re.search(r"(?<!\\)[%#_~^]", re.sub(r"\\text\w+\{\}", "", re.sub(r"\\label\{.*?\}", "", body)))
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}
    assert "<b>" not in markdown
    assert "\n" not in markdown_text(text)


def test_the_committed_run_s_tables_are_latex(project_root: Path) -> None:
    require_latex(to_latex(paper_tables(read_metrics(project_root / "metrics" / "evaluate.json")), "of a run"))


@pytest.mark.parametrize("label", ["[low, high]", "*", r"\\[1em]", "a & b", "50 % #1 _x^2 {y} ~", "Δ ≥ 1 → –"])
def test_no_label_ends_a_row_or_opens_anything(label: str) -> None:
    grid = Grid(label, label, (label, label), (Line(label), Line(label, (Cell(label),))), label)
    require_latex(to_latex([grid], label))


@pytest.mark.parametrize(
    "broken",
    ["a_b", "{", "}", "$x", "a & b", r"\input{x}", r"\begin{table}", r"\begin{tabular}{l}[1] \\ [2] \\ \end{tabular}"],
)
def test_the_reader_of_latex_is_strict(broken: str) -> None:
    with pytest.raises(AssertionError):
        require_latex(broken)
