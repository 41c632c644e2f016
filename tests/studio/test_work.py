"""What the page's buttons do, without the page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from pvtt.errors import PvttError
from pvtt.generation.ad.job import generate, repeat
from pvtt.generation.ad.settings import AdSettings
from pvtt.studio.inputs import Inputs
from pvtt.studio.work import AdRequest, Made, Studio
from tests.generation.ad.films import working_in, write_model, write_photos, write_template


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Outside a workspace: a template of three shots, photos, files that are none, and a tiny model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("studio")
    write_template(folder / "ad.mp4")
    write_photos(folder)
    (folder / "text.mp4").write_text("<script>alert(1)</script>" * 50)
    (folder / "cut.mp4").write_bytes((folder / "ad.mp4").read_bytes()[:4000])
    (folder / "text.png").write_text("no picture")
    write_model(folder)
    with working_in(folder):
        yield folder


@pytest.fixture(scope="module")
def studio(folder: Path) -> Studio:
    return Studio(folder / "ads", folder / "model", folder / "scratch")


def silent(line: str, done: int, total: int) -> None:
    """Reports to nobody."""


def request_of(
    folder: Path, settings: AdSettings | None = None, template: str = "ad.mp4", photo: str = "photo-0.png"
) -> AdRequest:
    return AdRequest(folder / template, (folder / photo,), None, settings or AdSettings(), None)


@pytest.fixture(scope="module")
def film(folder: Path, studio: Studio) -> Made:
    """Of the third shot."""
    settings = AdSettings(prompt="a blue box", seed=5, shots=(3,))
    return studio.make(request_of(folder, settings), silent)


def test_a_look_is_the_dry_run_with_pictures(folder: Path, studio: Studio) -> None:
    lines: list[str] = []
    look = studio.look(request_of(folder), lambda line, done, total: lines.append(line))
    kept = studio.inputs.keep(folder / "ad.mp4")
    photos = [studio.inputs.keep(folder / "photo-0.png")]
    assert look.record == generate(kept, photos, model=folder / "model", dry_run=True)
    assert [shot.generated for shot in look.record.shots] == [True, False, True]
    assert sorted(look.pictures) == [1, 2, 3]
    assert all(pictures.first.is_file() and pictures.middle.is_file() for pictures in look.pictures.values())
    assert lines[0].startswith("looking for shots")


def test_the_command_repeats_what_the_page_has_made(folder: Path, film: Made) -> None:
    assert film.output == folder / "ads" / "ad-1.mp4"
    repeat(film.output.with_suffix(".json"), folder / "again.mp4", compare=False)
    assert (folder / "again.mp4").read_bytes() == film.output.read_bytes()


def test_an_earlier_ad_gives_its_inputs_and_settings_back(folder: Path, studio: Studio, film: Made) -> None:
    record = film.output.with_suffix(".json")
    assert record.name in studio.earlier()
    back = studio.read_back(record)
    assert (back.request.settings, back.missing, back.output) == (film.record.settings, (), film.output)
    copy = folder / "elsewhere" / record.name
    copy.parent.mkdir()
    copy.write_bytes(record.read_bytes())
    assert studio.read_back(copy) == back
    assert back.request.template is not None
    assert back.request.template.read_bytes() == (folder / "ad.mp4").read_bytes()
    assert [photo.name for photo in back.request.photos] == ["photo-0.png"]
    again = studio.make(back.request, silent)
    assert again.output.name == "ad-2.mp4"
    assert again.output.read_bytes() == film.output.read_bytes()


def test_a_record_opens_no_file_by_its_path(folder: Path, studio: Studio, film: Made, tmp_path: Path) -> None:
    values = json.loads(film.output.with_suffix(".json").read_text())
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    values["photos"][0]["path"] = str(secret)
    values["template"] = {"path": "/etc/hostname", "sha256": "0" * 64}
    (tmp_path / "new.json").write_text(json.dumps(values))
    back = studio.read_back(tmp_path / "new.json")
    assert (back.request.template, back.request.photos, back.output) == (None, (), None)
    assert [line.split(":")[0] for line in back.missing] == ["drop hostname again", "drop secret.png again"]


@pytest.mark.parametrize("text", ["", "{}", "[" * 5000, '{"schema_version": 1}', "\x00"])
def test_what_is_no_record_is_told_in_a_line(studio: Studio, tmp_path: Path, text: str) -> None:
    (tmp_path / "new.json").write_text(text)
    with pytest.raises(PvttError, match=r"^new\.json: not a AdRecord") as caught:
        studio.read_back(tmp_path / "new.json")
    assert len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("template", "photo", "settings"),
    [
        ("text.mp4", "photo-0.png", AdSettings()),
        ("cut.mp4", "photo-0.png", AdSettings()),
        ("photo-0.png", "photo-0.png", AdSettings()),
        ("ad.mp4", "text.png", AdSettings()),
        ("ad.mp4", "ad.mp4", AdSettings()),
        ("ad.mp4", "photo-0.png", AdSettings(shots=(9,))),
        ("ad.mp4", "photo-0.png", AdSettings(shots=(1,), box=(5000, 10, 20, 20))),
    ],
)
def test_hostile_files_end_in_the_command_s_own_errors(
    folder: Path, studio: Studio, template: str, photo: str, settings: AdSettings
) -> None:
    request = request_of(folder, settings, template, photo)
    with pytest.raises(PvttError) as own:
        studio.look(request, silent)
    files = [studio.inputs.keep(folder / name) for name in (template, photo)]
    with pytest.raises(PvttError) as commands:
        generate(files[0], files[1:], model=folder / "model", **settings.arguments, dry_run=True)
    assert (own.value.message, own.value.hint) == (commands.value.message, commands.value.hint)
    assert len(own.value.message.splitlines()) == 1


def test_without_a_film_or_a_photo_nothing_is_done(folder: Path, studio: Studio) -> None:
    nothing = AdRequest(None, (), None, AdSettings(), None)
    with pytest.raises(PvttError, match="no template is given"):
        studio.make(nothing, silent)
    with pytest.raises(PvttError, match="no photo of the new product"):
        studio.look(AdRequest(folder / "ad.mp4", (), None, AdSettings(), None), silent)


def test_a_render_that_was_stopped_goes_on_from_its_windows(folder: Path, studio: Studio) -> None:
    request = request_of(folder, AdSettings(seed=11, shots=(1,)))
    before = sorted(path.name for path in studio.out.iterdir())
    told: list[tuple[int, int]] = []

    def stop_after_two(line: str, done: int, total: int) -> None:
        told.append((done, total))
        if done == 2:
            studio.stop()

    with pytest.raises(PvttError, match="stopped"):
        studio.make(request, stop_after_two)
    assert told[-1] == (2, 4)
    assert sorted(path.name for path in studio.out.iterdir()) == before
    windows = folder / "cache" / "pvtt" / "generate" / "windows"
    made = {path: path.stat().st_mtime_ns for path in windows.rglob("window.npy")}
    studio.make(request, silent)
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert len(list(windows.rglob("window.npy"))) == len(made) + 2


def test_one_piece_of_work_at_a_time(folder: Path, studio: Studio) -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def report(line: str, done: int, total: int) -> None:
        if line.startswith("looking"):
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
        elif not total:  # the choice of shots: the look ends
            with lock:
                under_way -= 1

    threads = [threading.Thread(target=studio.look, args=(request_of(folder), report)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (under_way, most) == (0, 1)


def test_what_was_dropped_is_kept_once_by_its_hash(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path / "ads")
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        np.save(tmp_path / place / "film.npy", np.arange(3))
    kept = inputs.keep(tmp_path / "one" / "film.npy")
    assert inputs.keep(tmp_path / "two" / "film.npy") == kept == inputs.keep(kept)
    (tmp_path / "one" / "film.npy").unlink()
    assert kept.read_bytes() == (tmp_path / "two" / "film.npy").read_bytes()
