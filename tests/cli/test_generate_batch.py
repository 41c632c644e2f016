"""`pvtt generate --templates --photos-dir`: what is given, what is printed, and the exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from pvtt.cli.generate_batch import table
from pvtt.generation.ad.batch_record import BatchRecord
from tests.cli.test_generate import run
from tests.generation.ad.films import BLUE, working_in, write_model, write_product, write_short_template

INPUTS = "--templates films --photos-dir products --model model"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Outside a workspace: two films, two products of which one has no pictures, and a tiny model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("batch")
    (folder / "films").mkdir()
    for name, backdrop in (("day", 215), ("night", 60)):
        write_short_template(folder / "films" / f"{name}.mp4", backdrop)
    write_product(folder / "products" / "box", BLUE)
    (folder / "products" / "empty").mkdir()
    write_model(folder)
    with working_in(folder):
        yield folder


def test_one_bad_product_does_not_stop_the_others_and_ends_with_exit_code_4(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"{INPUTS} -o ads") == 4
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["template", "product", "status", "shots", "seconds", "minutes", "file"]
    assert lines[1].split()[:3] == ["day", "box", "made"]
    assert lines[1].endswith("day/box.mp4")
    assert "no_photo: products/empty has no picture" in lines[2]
    assert lines[5:] == ["4 ads: 2 made, 2 failed", "Wrote ads/batch.json, ads/batch.png"]
    assert "ad 1 of 4: box in day" in printed.err
    assert "generate: 8/8 windows" in printed.err  # one bar over all ads
    assert "pvtt: 2 of 4 ads could not be made: empty in day: no_photo; empty in night: no_photo" in printed.err
    assert printed.err.splitlines()[-1].startswith("  next: ")
    assert "Traceback" not in printed.err

    assert run(f"{INPUTS} -o ads --json") == 4
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert [row["status"] for row in record["rows"]] == ["kept", "failed"] * 2
    assert record == json.loads((folder / "ads" / "batch.json").read_text())
    assert table(BatchRecord.from_json(printed.out)).endswith("4 ads: 2 kept, 2 failed")


def test_all_that_could_be_made_is_exit_code_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "good").mkdir()
    (folder / "good" / "box").symlink_to(folder / "products" / "box")
    assert run("--templates films --photos-dir good --model model --dry-run") == 0
    printed = capsys.readouterr().out
    assert printed.count("4 windows to generate") == 2
    assert "Wrote" not in printed


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{INPUTS} --template ad.mp4 -o ads", "give the one or the other"),
        (f"{INPUTS} --photos photo.png -o ads", "give the one or the other"),
        ("--template ad.mp4 --photos-dir products -o ads", "give the one or the other"),
        ("--templates a.mp4 b.mp4 --photos-dir products -o ads", "give the one or the other"),
        (f"{INPUTS} --box 1,2,3,4 -o ads", "--box is of one ad"),
        (f"{INPUTS} --point 1,2 -o ads", "--point is of one ad"),
        (f"{INPUTS} --mask mask.png -o ads", "--mask is of one ad"),
        (f"{INPUTS} --from new.json -o ads", "--from is of one ad"),
        ("--templates films -o ads", "--photos-dir is missing"),
        ("--photos-dir products -o ads", "--templates is missing"),
        (INPUTS, "-o is missing"),
    ],
)
def test_what_is_not_of_a_batch_is_refused_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, says: str
) -> None:
    assert run(line) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
