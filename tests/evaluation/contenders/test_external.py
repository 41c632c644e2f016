"""Films that were made elsewhere: all of a part or none, and each fault named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pvtt.encoding.collage import Collage, HoleShape
from pvtt.errors import MissingInputError, PvttError
from pvtt.evaluation.contenders.contender import Setting, Task
from pvtt.evaluation.contenders.external import AskedFilm, External, name_of
from pvtt.media.video import write_video
from tests.evaluation.contenders.scenes import Moving, filmed

NUM_FRAMES, HEIGHT, WIDTH = 9, 48, 64
KEYS = ("A_001", "B_001", "A_9001")
SETTING = Setting(None, np.zeros(3, np.uint8), HoleShape("box", 0.06))  # type: ignore[arg-type]
ASKED = [AskedFilm("transfer" if key == "A_9001" else "test", key, NUM_FRAMES, WIDTH, HEIGHT, fps=6.0) for key in KEYS]
TEMPLATE = filmed(Moving(2.0, 0.5))[0][:, :HEIGHT, 30 : 30 + WIDTH]
SHEET = "name,source,licence,date\n*,Kling 2.1,terms of service,2026-05-04\nA_9001,DreamSwapV,MIT,2026-05-05\n"


def task(key: str) -> Task:
    """A task as large as the films; what it is given does not matter here."""
    nothing = Collage(np.zeros((*TEMPLATE.shape[:3], 4), np.float32))
    return Task(key, TEMPLATE, np.ones(TEMPLATE.shape[:3], np.bool_), [], None, None, TEMPLATE, nothing)


def write(path: Path, factor: int = 1, num_frames: int = NUM_FRAMES, fps: float = 6.0, crop: int = 0) -> None:
    """A film of the template."""
    frames = TEMPLATE[:num_frames, : HEIGHT - crop].repeat(factor, axis=1).repeat(factor, axis=2)
    write_video(path, frames, fps, crf=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All films, and a sheet."""
    folder = tmp_path / "Kling 2.1"
    folder.mkdir()
    (folder / "sources.csv").write_text(SHEET)
    for key in KEYS:
        write(folder / f"{key}.mp4", factor=2 if key == "B_001" else 1)
    return folder


def test_films_of_all_samples_are_measured_and_their_sheet_is_kept(folder: Path) -> None:
    route = External(folder, ASKED)
    assert (route.name, route.label, route.unmeasured, route.faults) == ("kling_2_1", "kling 2 1", {}, ())
    assert "Kling 2.1" in route.says
    assert [(one.source, one.licence, one.date, one.num_films) for one in route.sources] == [
        ("Kling 2.1", "terms of service", "2026-05-04", 2),
        ("DreamSwapV", "MIT", "2026-05-05", 1),
    ]
    for video in route.videos([task(key) for key in KEYS], SETTING):
        assert video is not None
        assert video.shape == TEMPLATE.shape  # the second film is twice as large
        assert np.abs(video.astype(int) - TEMPLATE).mean() < 6
    before = route.sha256
    write(folder / "A_001.mp4", num_frames=5)
    assert External(folder, ASKED).sha256 != before


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "size": (lambda film: write(film, crop=16), "it is 64×32, not 64×48 or a whole multiple"),
    "frames": (lambda film: write(film, num_frames=5), "it has 5 frames, not 9"),
    "length": (lambda film: write(film, fps=24.0), "it lasts 0.375 s, not 1.5 s"),
    "no video": (lambda film: film.write_text("nothing"), "is not a video"),
    "cut off": (lambda film: film.write_bytes(film.read_bytes()[:2000]), "A_001"),
    "missing": (lambda film: film.unlink(), "there is no film"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_film_that_does_not_fit_is_named_and_its_whole_part_is_not_measured(folder: Path, name: str) -> None:
    damage, expected = FAULTS[name]
    damage(folder / "A_001.mp4")
    route = External(folder, ASKED)
    assert list(route.unmeasured) == ["test"]  # the transfers have all theirs
    assert "1 of its 2 films" in route.unmeasured["test"]
    (fault,) = route.faults
    assert fault.startswith("A_001: ")
    assert expected in fault
    assert fault in route.unmeasured["test"]
    made = dict(zip(KEYS, route.videos([task(key) for key in KEYS], SETTING), strict=True))
    assert [key for key, video in made.items() if video is not None] == ["A_9001"]


def test_a_part_without_any_film_has_a_reason_and_no_list_of_faults(folder: Path) -> None:
    for key in ("A_001", "B_001"):
        (folder / f"{key}.mp4").unlink()
    write(folder / "C_007.mp4")
    route = External(folder, ASKED)
    assert route.unmeasured == {"test": "none of its 2 films is in Kling 2.1"}
    assert route.faults == ("C_007.mp4: no sample has this name",)
    assert [one.source for one in route.sources] == ["DreamSwapV"]


def test_a_film_that_the_sheet_does_not_know_is_a_fault_and_json_is_a_sheet_too(folder: Path) -> None:
    (folder / "sources.csv").unlink()
    rows = [{"name": "A_9001", "source": "VideoPainter", "licence": "academic only", "date": "2026-01-01"}]
    (folder / "sources.json").write_text(json.dumps(rows))
    route = External(folder, ASKED)
    assert list(route.unmeasured) == ["test"]
    assert route.faults == tuple(f"{key}: the sheet does not say where it comes from" for key in ("A_001", "B_001"))
    assert [(one.source, one.num_films) for one in route.sources] == [("VideoPainter", 1)]


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("name,source,licence\n*,Kling,terms\n", "row 1: date: Field required"),
        ("name,source,licence,date\n*,Kling,,2026-01-01\n", "row 1: licence"),
        ("name,source,licence,date\n*,Kling,terms,May\n", "row 1: date"),
        ("name,source,licence,date\nA,x,y,2026-01-01\nA,x,y,2026-01-01\n", "row 2: A is there twice"),
        ("name,source,licence,date\n", "has no rows"),
    ],
)
def test_a_sheet_that_is_none_is_one_line(folder: Path, sheet: str, message: str) -> None:
    (folder / "sources.csv").write_text(sheet)
    with pytest.raises(PvttError, match=r"^evaluate\.routes\.external: ") as error:
        External(folder, ASKED)
    assert message in error.value.message
    assert "\n" not in error.value.message


def test_a_folder_or_sheet_that_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(MissingInputError, match=r"evaluate\.routes\.external: .*nowhere does not exist"):
        External(folder.parent / "nowhere", ASKED)
    (folder / "sources.csv").unlink()
    with pytest.raises(MissingInputError, match=r"has no sources\.csv or sources\.json"):
        External(folder, ASKED)


def test_the_name_is_the_folders_in_letters_that_a_metric_may_have() -> None:
    assert [name_of(Path(name)) for name in ("films/Kling 2.1", "HunyuanCustom/", "__a-B__")] == [
        "kling_2_1",
        "hunyuancustom",
        "a_b",
    ]
