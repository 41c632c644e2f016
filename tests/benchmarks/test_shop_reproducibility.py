"""Whether a second process renders the same bytes.

It does not on every run: Mesa's software renderer gave other digests in a fresh process than in one that had rendered
before. `pvtt shop build --check` tells how many files of the shop differ.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pvtt.shop.render import Renderer
from tests.shop.digest import film_digest


def test_two_processes_render_the_same_bytes(tmp_path: Path, project_root: Path) -> None:
    with Renderer() as renderer:
        here = film_digest(renderer, tmp_path / "here.mp4")
    elsewhere = subprocess.run(
        [sys.executable, "-m", "tests.shop.digest", str(tmp_path / "elsewhere.mp4")],
        cwd=project_root,
        check=True,
        capture_output=True,
        text=True,
    )
    assert elsewhere.stdout.strip() == here
