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
from pvtt.report.figure import draw_figure
from tests.evaluated import EvaluatedProject


def test_the_command_draws_template_mask_photos_and_output(
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
        assert image.width == 2 * 16 + 4 * 300 + 3 * 10
        pixels = np.asarray(image.convert("RGB")).astype(int)
    rows = pixels[34:]
    template, mask = rows[:200, 16:316], rows[:200, 326:626]
    is_blue = (np.abs(mask - (47, 127, 209)) < 12).all(-1)
    assert 0.05 < is_blue.mean() < 0.9
    assert template.std() > 5


def test_nothing_to_draw_says_so(tmp_path: Path) -> None:
    with pytest.raises(PvttError, match="no saved videos"):
        draw_figure([], tmp_path, tmp_path, tmp_path / "x.png", 3)
