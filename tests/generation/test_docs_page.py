"""The lines of docs/python.md, run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pvtt.generation.pipeline import ProductVideoPipeline
from pvtt.media.masks import write_masks
from pvtt.media.video import read_video, write_video
from pvtt.models.transformer import ProductVideoTransformer
from pvtt.params.file import load_params
from tests.encoding.samples import disc_frames


def code_of(page: Path) -> str:
    """The one block of Python on a page."""
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.S)
    return str(code)


def save_untrained_model(folder: Path, project_root: Path) -> None:
    """The shipped base with a new adapter, as a pipeline folder."""
    params = load_params(project_root / "params.yaml").encode
    base = project_root / "models" / "wan-tiny"
    transformer = ProductVideoTransformer.from_base(base / "transformer")
    ProductVideoPipeline.from_base(base, transformer.float().eval(), params).save_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path, project_root: Path) -> Path:
    """A folder with the files that the page names."""
    torch.set_num_threads(1)
    save_untrained_model(tmp_path / "outs" / "train_stage2" / "model", project_root)
    frames, masks = disc_frames(9, (200, 40, 40))
    write_video(tmp_path / "template.mp4", frames, fps=24)
    write_masks(tmp_path / "mask.mkv", masks, fps=24)
    backdrop = np.full((240, 240, 3), 215, np.uint8)
    for name, colour in (("front.jpg", (30, 160, 220)), ("side.png", (40, 170, 230))):
        cv2.imwrite(str(tmp_path / name), cv2.circle(backdrop.copy(), (120, 120), 70, colour, -1))
    return tmp_path


def test_the_page_makes_a_video_of_photos(folder: Path, project_root: Path) -> None:
    code = code_of(project_root / "docs" / "python.md")
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    made, template = read_video(folder / "new.mp4"), read_video(folder / "template.mp4")
    assert made.shape == template.shape
    hole = disc_frames(9, (0, 0, 0))[1] > 127
    difference = abs(made.astype(int) - template).mean(axis=-1)
    assert difference[~hole].mean() < 3  # the template's own pixels, but for a second compression
    assert difference[hole].mean() > 10
