from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvtt.cli.crawl import command
from tests.crawl.site import photo_bytes, video_bytes


def test_a_folder_from_the_command_line(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(project_root / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "mug").mkdir(parents=True)
    (tmp_path / "mine" / "mug" / "v.mp4").write_bytes(video_bytes(1))
    (tmp_path / "mine" / "mug" / "p.jpg").write_bytes(photo_bytes(1))
    (tmp_path / "mine" / "cup").mkdir()

    result = CliRunner().invoke(command, ["--source", "folder", "--start", "mine"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 products in data/: 1 new" in result.stdout
    assert "rejected: no_video 1 (data/rejects.jsonl)" in result.stdout

    result = CliRunner().invoke(command, ["--source", "folder", "--start", "mine", "--json"], catch_exceptions=False)
    summary = json.loads(result.stdout)
    assert (summary["num_unchanged"], summary["num_videos"], summary["rejects"]) == (1, 1, {"no_video": 1})
