"""The table as Markdown and LaTeX: figures, signs, and words where there is no figure."""

from __future__ import annotations

from pathlib import Path

from pvtt.ablation.plot import draw_plot
from pvtt.ablation.table import Block, Cell, Column, Line, Table, as_share
from pvtt.ablation.text import to_latex, to_markdown
from pvtt.stats.two_level import TwoLevelEstimate


def interval(value: float, half: float, num_seeds: int = 3) -> TwoLevelEstimate:
    return TwoLevelEstimate(
        value=value, low=value - half, high=value + half, num_seeds=num_seeds, num_products=40, n=40 * num_seeds
    )


def a_table() -> Table:
    """Two metrics, three rows: one that is worse, one that is level, one of which nothing is done."""
    reference = Line(
        name="frames",
        label="reference_frames & more",
        seeds=(0, 1, 2),
        planned_seeds=(0, 1, 2),
        cells={
            "product_psnr": Cell(status="measured", mean=interval(17.2, 0.4)),
            "lpips": Cell(status="not_measured"),
        },
        num_parameters=1_765_824,
        num_trainable=1_200_000,
        tokens=306,
        step_seconds=1.5,
        hours=0.25,
    )
    worse = reference.model_copy(
        update={
            "name": "tokens",
            "label": "tokens",
            "seeds": (0,),
            "cells": {
                "product_psnr": Cell(
                    status="measured", mean=interval(16.1, 0.4, 1), difference=interval(-1.1, 0.3, num_seeds=1)
                ),
                "lpips": Cell(status="too_few"),
            },
        }
    )
    level = worse.model_copy(
        update={
            "name": "both",
            "label": "both",
            "cells": {
                "product_psnr": Cell(status="measured", mean=interval(17.2, 0.4), difference=interval(-0.01, 0.3)),
                "lpips": Cell(status="measured", mean=interval(0.2, 0.04)),
            },
        }
    )
    nothing = Line(
        name="later",
        label="later",
        seeds=(),
        planned_seeds=(0,),
        cells={"product_psnr": Cell(status="not_measured"), "lpips": Cell(status="not_measured")},
    )
    return Table(
        title="A title",
        says="What is asked.",
        split="test",
        columns=(
            Column(name="product_psnr", label="product PSNR", unit="dB", better="↑", says="inside the product only"),
            Column(name="lpips", label="LPIPS", unit="", better="↓", says="a distance"),
        ),
        blocks=(Block(name="a", label="Conditioning", against=reference, lines=(worse, level, nothing)),),
        num_products=40,
        num_done=5,
        num_experiments=10,
        basis="0123456789ab",
    )


def test_a_shares_interval_ends_at_0_and_1() -> None:
    assert (as_share(interval(0.2, 0.5)).low, as_share(interval(0.9, 0.5)).high) == (0.0, 1.0)
    assert as_share(interval(0.5, 0.2)) == interval(0.5, 0.2)


def test_markdown() -> None:
    lines = to_markdown(a_table()).splitlines()
    assert lines[0] == "# A title"
    rows = [line for line in lines if line.startswith("|")]
    assert rows[0] == (
        "| Conditioning | seeds | product PSNR, dB ↑ | LPIPS ↓ | parameters | tokens | s a step | hours |"
    )
    assert rows[2] == (
        "| reference_frames & more (reference) | 3 | 17.2 [16.8, 17.6] | not measured | 1,765,824 | 306 | 1.50 | 0.25 |"
    )
    assert rows[3].startswith(
        "| tokens | 1 of 3 | 16.1 [15.7, 16.5]<br>Δ **−1.1 [−1.4, −0.8]** | too few | "
    )  # the whole interval below 0
    assert rows[4].startswith("| both | 1 of 3 | 17.2 [16.8, 17.6]<br>Δ 0.0 [−0.3, +0.3] | 0.20 [0.16, 0.24]<br>Δ not")
    assert rows[5] == "| later | 0 of 1 | not measured | not measured |" + " not measured |" * 4
    assert "40 test products" in lines[4]
    assert "5 of 10 experiments are done, seeds 0, 1, 2; basis 0123456789ab" in lines[4]


def test_latex_needs_booktabs_alone_and_escapes_what_tex_would_read() -> None:
    text = to_latex(a_table())
    lines = text.splitlines()
    assert lines[0].startswith("% Means over seeds")
    body = lines[1:]
    assert body[0] == r"\begin{tabular}{lrrrrrrr}"
    assert [line for line in body if line.endswith("rule")] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"\multicolumn{8}{l}{\textit{Conditioning}} \\" in body
    assert r"reference\_frames \& more (reference) & 3 & 17.2 [16.8, 17.6] & not measured & 1,765,824" in text
    assert r"\quad $\Delta$ &  & \textbf{$-$1.1 [$-$1.4, $-$0.8]} & not measured" in text
    assert all(line.count(" & ") == 7 for line in body if line.endswith(r"\\") and "multicolumn" not in line)
    assert all(ord(character) < 128 for line in body for character in line)


def test_the_plot_is_the_same_for_equal_tables(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_plot(a_table(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.svg").stat().st_size > 5000


def test_each_row_is_a_line_once() -> None:
    assert [line.name for line in a_table().lines()] == ["frames", "tokens", "both", "later"]
