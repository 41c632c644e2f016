"""`pvtt data review`: the clips and photos that a person should look at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pvtt.cli.data import command
from pvtt.errors import MissingInputError, PvttError
from pvtt.files.append import append_line
from pvtt.files.workspace import Workspace
from pvtt.records.reviews import ANSWERS_FILE, ReviewAnswer
from tests.dataset.doubtful import doubtful_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return doubtful_project(tmp_path)


def run(*args: str) -> str:
    result = CliRunner().invoke(command, ["review", *args], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_the_doubtful_are_listed_the_least_sure_first_with_files_that_are_there(project: Workspace) -> None:
    listed = json.loads(run("--list", "--json"))
    assert [(one["name"], one["doubts"], one["confidence"]) for one in listed] == [
        ("B_001", ["agreement"], 0.6),
        ("A_001", ["agreement"], 0.75),
        ("photos/A/01.png", ["cut_off", "unsure"], None),
    ]
    for one in listed:
        assert (project.root / one["picture"]).is_file()
        assert (project.root / one["result"]).is_file()
    assert (project.data / listed[-1]["source"]).is_file()
    lines = run("--list").splitlines()
    assert len(lines) == 4
    assert "cut_off, unsure" in lines[-1]


def test_only_the_products_asked_for_are_listed(project: Workspace) -> None:
    assert [one["name"] for one in json.loads(run("A", "--json"))] == ["A_001", "photos/A/01.png"]
    with pytest.raises(MissingInputError, match="Z"):
        run("Z")


def test_nothing_doubtful_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    assert run().strip() == "nothing"
    assert json.loads(run("--json")) == []


def test_they_are_drawn_with_their_outlines_and_what_cannot_be_read_is_told(project: Workspace) -> None:
    assert "3 of 3 doubtful, page 1 of 1" in run("--out", "sheet.png")
    pixels = np.asarray(Image.open("sheet.png"))
    outline = (pixels == (255, 0, 220)).all(axis=-1)
    assert outline[: len(outline) // 2].sum() > 500
    (project.out("segment") / "masks" / "B_001.mkv").write_bytes(b"no video")
    run("--out", "sheet.png")
    assert (np.asarray(Image.open("sheet.png")) != pixels).any()
    with pytest.raises(MissingInputError, match="page 2"):
        run("--out", "sheet.png", "--page", "2")


def test_what_a_person_answered_is_listed_on_demand_alone(project: Workspace) -> None:
    first = json.loads(run("--json"))[0]
    answer = ReviewAnswer(
        **{name: first[name] for name in ("kind", "product_id", "name", "picture_sha256", "result_sha256")},
        verdict="turn_away",
        answered_at="2026-01-05T10:00:00+00:00",
    )
    append_line(project.reviews / ANSWERS_FILE, answer.to_json())
    assert [one["name"] for one in json.loads(run("--list", "--json"))] == ["A_001", "photos/A/01.png"]
    assert "2 of 2 doubtful" in run("--out", "sheet.png")
    listed = json.loads(run("--answered", "--json"))
    assert [(one["name"], one["answer"]) for one in listed] == [
        ("B_001", "turn_away"),
        ("A_001", None),
        ("photos/A/01.png", None),
    ]
    assert [line.split()[0] for line in run("--answered").splitlines()[1:]] == ["turn_away", "open", "open"]


def test_a_line_that_is_no_answer_is_named(project: Workspace) -> None:
    project.reviews.mkdir()
    (project.reviews / ANSWERS_FILE).write_text('{"kind": "film"}\n')
    with pytest.raises(PvttError, match=r"answers\.jsonl:1: not a ReviewAnswer"):
        run("--list")


def test_the_page_is_served_until_it_is_stopped(project: Workspace) -> None:
    command = [sys.executable, "-m", "pvtt.cli", "data", "review", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Review 3 of 3 doubtful at http://127.0.0.1:")
        with urllib.request.urlopen(line.split()[6], timeout=30) as page:
            assert b"Review doubtful masks" in page.read()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    assert (rest.strip(), errors, process.returncode) == ("Stopped. Every answer is saved.", "", 0)
