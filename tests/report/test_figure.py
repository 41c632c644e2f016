"""The README's picture."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pvtt.errors import PvttError
from pvtt.records.evaluation import read_evaluated
from pvtt.report.figure import GAP, HEIGHT, HOLE, MARGIN, SECTION, TITLE, WIDTH, draw_figure
from tests.evaluated import EvaluatedProject


def test_the_command_draws_transfers_and_test_products(
    reported: EvaluatedProject, tmp_path: Path, project_root: Path
) -> None:
    root = tmp_path / "project"
    shutil.copytree(reported.workspace.root, root)
    shutil.copyfile(project_root / "params.yaml", root / "params.yaml")
    result = subprocess.run(
        [sys.executable, "-m", "pvtt.cli", "figure", "docs/result.png", "--rows", "2"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    with Image.open(root / "docs" / "result.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)

    def cell(row: int, column: int) -> np.ndarray:
        """Rows 0 and 1 are transfers, 2 and 3 test products."""
        top = TITLE + (1 + row // 2) * SECTION + row * (HEIGHT + GAP) - (row // 2) * GAP
        left = MARGIN + column * (WIDTH + GAP)
        return pixels[top : top + HEIGHT, left : left + WIDTH]

    assert pixels.shape[1] == 2 * MARGIN + 5 * WIDTH + 4 * GAP
    for row in range(4):
        template, photos, hole, output, truth = (cell(row, column) for column in range(5))
        is_hole = (np.abs(hole - HOLE) < 12).all(-1)
        assert 0.05 < is_hole.mean() < 0.9
        assert (photos[:4] == 255).all()
        assert (photos != 255).any()
        is_another = np.abs(template - truth)[is_hole].mean() > 10
        assert is_another == (row < 2)
        assert np.abs(template - output)[~is_hole].mean() < 4


def test_nothing_to_draw_says_so(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match="no saved videos"):
        draw_figure([], tmp_path, tmp_path, tmp_path / "x.png", 3)


def test_other_contenders_stand_before_the_output_where_their_videos_are_kept(
    reported: EvaluatedProject, tmp_path: Path
) -> None:
    out = reported.workspace.out("evaluate")
    samples = [
        one.model_copy(update={"videos": one.videos | {"paste": one.videos["ground_truth"]}}) if one.videos else one
        for one in read_evaluated(out)
    ]
    draw_figure(samples, out, reported.workspace.root, tmp_path / "x.png", 1, "transfer", ["paste"])
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[1] == 2 * MARGIN + 6 * WIDTH + 5 * GAP
    left = [MARGIN + column * (WIDTH + GAP) for column in range(6)]
    beside, output, truth = (pixels[-MARGIN - HEIGHT : -MARGIN, place : place + WIDTH] for place in left[3:])
    assert (beside == truth).all()
    assert (output != truth).any()
    with pytest.raises(PvttError, match="no saved video of points") as error:
        draw_figure(samples, out, reported.workspace.root, tmp_path / "y.png", 1, "transfer", ["points"])
    assert "evaluate.routes.run" in (error.value.hint or "")
