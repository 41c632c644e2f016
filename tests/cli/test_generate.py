"""`pvtt generate`: what is given, what is printed, and the exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pvtt.cli.generate import command
from pvtt.cli.main import main
from tests.generation.ad.films import HEIGHT, RED, WIDTH, working_in, write_model, write_photos, write_template


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Outside a workspace: a template, photos and a tiny model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("generate")
    write_template(folder / "ad.mp4")
    (folder / "red").mkdir()
    write_photos(folder / "red", colour=RED)
    nearly_all = np.zeros((HEIGHT, WIDTH), np.uint8)
    nearly_all[6:-6, 6:-6] = 255
    cv2.imwrite(str(folder / "mask.png"), nearly_all)
    write_photos(folder, cut_out=False)
    write_model(folder)
    with working_in(folder):
        yield folder


def run(line: str) -> int:
    """The exit code of `pvtt generate` with these words."""
    try:
        main(["generate", *shlex.split(line)])
    except SystemExit as error:
        return int(error.code or 0)
    return 0


INPUTS = "--template ad.mp4 --photos photo-0.png photo-1.png --model model"


def test_a_film_is_made_outside_a_workspace_and_its_record_repeats_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(f"{INPUTS} -o out/new.mp4 --shots 3 --prompt 'a blue box'") == 0
    printed = capsys.readouterr()
    assert "Wrote out/new.mp4, out/new.png, out/new.json, out/new.compare.mp4" in printed.out
    assert "not chosen" in printed.out
    assert "generating in the given shots 3" in printed.err
    assert list((folder / "cache" / "pvtt" / "generate" / "windows").iterdir())
    record = json.loads((folder / "out" / "new.json").read_text())
    assert [Path(photo["path"]).name for photo in record["photos"]] == ["photo-0.png", "photo-1.png"]

    assert run("--from out/new.json -o again.mp4 --no-compare") == 0
    assert "Wrote again.mp4, again.png, again.json\n" in capsys.readouterr().out
    assert not (folder / "again.compare.mp4").exists()
    assert (folder / "again.mp4").read_bytes() == (folder / "out" / "new.mp4").read_bytes()


def test_a_dry_run_prints_json_that_a_program_can_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(f"{INPUTS} --dry-run --json") == 0
    record = json.loads(capsys.readouterr().out)
    assert [shot["generated"] for shot in record["shots"]] == [True, False, True]
    assert "product A is shown longest, in shots 1, 3" in record["choice"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--label -o new.mp4", "AI generated"),
        ("--label AI生成 -o new.mp4", "AI生成"),
        ("-o new.mp4 --label", "AI generated"),
    ],
)
def test_a_label_without_a_text_has_its_own(line: str, text: str) -> None:
    given = command.make_context("generate", shlex.split(line)).params
    assert (given["label"], given["output"]) == (text, Path("new.mp4"))


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("--photos photo-0.png -o new.mp4", 2, "--template is missing"),
        ("--template ad.mp4 --photos photo-0.png", 2, "-o is missing"),
        (f"{INPUTS} -o new.mp4 --box 1,2,3", 2, "is not a box x,y,width,height"),
        (f"{INPUTS} -o new.mp4 --point 1,2,3", 2, "is not a point x,y"),
        (f"{INPUTS} -o new.mp4 --point 1,2 --box 1,2,3,4", 1, "--point and --box both say where the product is"),
        (f"{INPUTS} -o new.mp4 --point 1,2 --mask mask.png", 1, "--point and --mask both say where the product is"),
        (f"{INPUTS} -o new.mp4 --point 192,0", 1, "the point 192,0 is not inside the frame of 192×128"),
        (f"{INPUTS} -o new.mp4 --point 4,-1", 1, "the point 4,-1 is not inside the frame of 192×128"),
        (f"{INPUTS} -o new.mp4 --point 6,120", 1, "nothing that stands out is at the point 6,120"),
        ("--from new.json -o again.mp4 --seed 0", 2, "give it only -o"),
        ("--from new.json", 2, "--from needs -o"),
        ("--from new.json -o again.mp4", 3, "new.json does not exist"),
        ("--template none.mp4 --photos photo-0.png --model model -o new.mp4", 3, "none.mp4 does not exist"),
        ("--template ad.mp4 --photos none.png --model model -o new.mp4", 3, "none.png does not exist"),
        ("--template ad.mp4 --model model -o new.mp4", 1, "no photo of the new product"),
        (f"{INPUTS} -o new.gif", 1, "is no name of a film"),
        (f"{INPUTS} -o new.mp4 --shots 9", 1, "no shot 9"),
        (f"{INPUTS} -o new.mp4 --guidance inf", 1, "product_guidance: Input should be a finite number"),
        (f"{INPUTS} -o new.mp4 --mask model/model_index.json", 1, "model_index.json is not a video"),
        (f"{INPUTS} -o new.mp4 --aspect 9", 1, "'9' is no ratio of width to height such as 9:16"),
        (f"{INPUTS} -o new.mp4 --aspect 1:4", 1, "cut-out of this ratio 32×128 of the template's 192×128"),
        (f"{INPUTS} red/photo-0.png -o new.mp4", 1, "the photos show different products: photo-0.png and photo-"),
        (f"{INPUTS} -o new.mp4 --shots 3 --strength 0.001", 1, "the output equals the photo pasted"),
        (f"{INPUTS} -o new.mp4 --mask mask.png --shots 1", 1, "the region of the new product covers"),
        (f"{INPUTS} -o new.mp4 --label AI生成", 1, "has no 成 生"),
        (f"{INPUTS} -o new.mp4 --label AI --label-font none.ttf", 3, "none.ttf does not exist"),
        (f"{INPUTS} -o new.mp4 --label-font none.ttf", 1, "no label"),
        (f"{INPUTS} -o new.mp4 --producer 'my shop'", 1, "not what GB 45438-2025 takes"),
        ("--template ad.mp4 --model model -o new.mp4 --label photo-0.png", 2, "took the file photo-0.png"),
    ],
)
def test_each_fault_is_a_line_with_what_to_do(
    folder: Path, capsys: pytest.CaptureFixture[str], line: str, code: int, says: str
) -> None:
    assert run(line) == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    if code != 2:
        assert error.splitlines()[-1].startswith("  next: ")
    assert not (folder / "new.mp4").exists()


def test_its_help_teaches_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pvtt.cli.main import command\n"
        "try: command.main(['generate', '--help'], prog_name='pvtt')\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'cv2', 'pydantic', 'av'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for words in ("--dry-run", "--preview", "--from new.json", "pvtt generate --template ad.mp4"):
        assert words in result.stdout


def test_the_pages_line_for_the_sample_shop_is_one_that_runs(
    project_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (project_root / "docs" / "generate.md").read_text()
    (line,) = re.findall(r"^pvtt (generate --template pvtt/.*?[^\\])$", page, flags=re.M | re.S)
    monkeypatch.chdir(project_root)
    words: list[str] = []
    for word in shlex.split(line.replace("\\\n", ""))[1:]:
        words += sorted(map(str, project_root.glob(word))) if "*" in word else [word]
    given = command.make_context("generate", words).params
    photos = (*given["photos"], *given["more_photos"])
    assert len(photos) > 1
    assert all(path.is_file() for path in (given["template"], *photos))
