"""TeX itself sets the tables that `tests/report/latex.py` reads."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pvtt.ablation.text import to_latex as ablation_to_latex
from pvtt.records.evaluation import read_metrics
from pvtt.report.grid import Cell, Grid, Line, to_latex
from pvtt.report.latex import SIGNS, escape
from pvtt.report.paper import paper_tables
from tests.ablation.test_text import a_table
from tests.report.latex import set_by_tex

pytestmark = [
    pytest.mark.proof,  # test_paper.py reads the same tables strictly
    pytest.mark.skipif(
        shutil.which("pdflatex") is None,
        reason="pdflatex is not installed: `apt-get install texlive-latex-base texlive-latex-recommended`",
    ),
]
LABELS = ("[low, high]", "*", r"\\[1em]", "a & b", "50 % #1 _x^2 {y} ~", r"\input{x}", '<b>|`x`* "q"', "".join(SIGNS))


def test_the_committed_tables_are_set(project_root: Path, tmp_path: Path) -> None:
    run = to_latex(paper_tables(read_metrics(project_root / "metrics" / "evaluate.json")), "of a run")
    ablation = (project_root / "docs" / "ablation" / "table.tex").read_text()
    log = set_by_tex("\n\n".join([run, ablation, ablation_to_latex(a_table())]), tmp_path)
    assert re.search(r"Output written on paper\.pdf \(\d+ pages?", log)
    assert "Overfull" not in log


@pytest.mark.parametrize("label", LABELS)
def test_any_label_is_set(label: str, tmp_path: Path) -> None:
    grid = Grid("t", label, (label, label), (Line(label), Line(label, (Cell(label),))), label)
    set_by_tex(to_latex([grid], label), tmp_path)


def test_every_sign_that_is_escaped_is_one_that_tex_has(tmp_path: Path) -> None:
    log = set_by_tex("\n\n".join(f"x{escape(sign)}y" for sign in SIGNS), tmp_path)
    assert "Missing character" not in log
