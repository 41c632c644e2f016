"""Contenders over triplets: films and figures are kept, what fails stands in the table, and a run goes on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pvtt.bench.axes import AXES, METRICS, of_axis
from pvtt.bench.contenders import chosen
from pvtt.bench.page import render
from pvtt.bench.run import run_bench
from pvtt.bench.sets import BenchSet, read_bench
from pvtt.bench.table import BenchTable, make_table
from pvtt.bench.text import to_latex, to_markdown
from pvtt.errors import LockedError, MissingInputError, PvttError
from pvtt.files.lock import hold_lock
from pvtt.records.bench import BenchFilm, BenchRun
from tests.bench.sets import ONE_SHOT, TWO_SHOTS
from tests.browser import console_errors, open_browser, wait_for
from tests.conftest import ROOT
from tests.generation.ad.films import write_model

LEARNT_NOTHING = ["mean_fill", "inpaint", "paste"]


def run(bench: BenchSet, out: Path, *names: str, model: Path | None = None, only: Sequence[str] = ()) -> BenchRun:
    return run_bench(bench, chosen(names, model, None), out, seed=0, command="pvtt bench run …", only=only)


@pytest.fixture(scope="module")
def finished(bench: BenchSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    run(bench, out, *LEARNT_NOTHING)
    return out


def with_controls(finished: Path, out: Path) -> Path:
    """A run's folder that has the controls' films and figures already, which the same command keeps."""
    for name in ("ground_truth", "source_copy"):
        shutil.copytree(finished / "films" / name, out / "films" / name)
    return out


@pytest.fixture(scope="module")
def table(finished: Path) -> BenchTable:
    return make_table(finished)


def cell(table: BenchTable, contender: str, metric: str) -> float | None:
    grid = next(grid for grid in table.axes if metric in [one.name for one in grid.columns])
    line = next(line for line in grid.lines if line.contender == contender)
    found = line.cells[[one.name for one in grid.columns].index(metric)]
    return None if found.estimate is None else found.estimate.value


def test_controls_and_contenders_stand_in_every_table(table: BenchTable) -> None:
    everyone = ["ground_truth", "source_copy", *LEARNT_NOTHING]
    assert [grid.title for grid in table.axes] == list(AXES)
    grids = [*table.axes, *(grid for _, own in table.splits for grid in own)]
    assert all([line.contender for line in grid.lines] == everyone for grid in grids)
    assert [line.contender for line in table.axes[0].lines if line.is_control] == ["ground_truth", "source_copy"]
    assert [name for name, _ in table.splits] == ["shape gap", "material", "shots", "motion"]
    assert sorted(metric.name for axis in AXES for metric in of_axis(axis)) == sorted(one.name for one in METRICS)


def test_figures_tell_contenders_apart(table: BenchTable) -> None:
    assert cell(table, "ground_truth", "identity_top1") == 1
    assert cell(table, "source_copy", "identity_top1") == 0
    psnrs = [cell(table, name, "product_psnr") for name in ("ground_truth", "paste", "source_copy")]
    assert all(value is not None for value in psnrs)
    assert psnrs[0] == 100
    assert (cell(table, "paste", "product_delta_e") or 99) < (cell(table, "inpaint", "product_delta_e") or 0)
    assert (cell(table, "inpaint", "leftover") or 0) < 40 < (cell(table, "source_copy", "leftover") or 0)
    for name in LEARNT_NOTHING:
        assert cell(table, name, "sound_same") == 1
        assert cell(table, name, "cut_f1") == 1
    assert cell(table, "paste", "clip_i") is None  # without weights


def test_a_films_record_says_how_it_came_about(finished: Path) -> None:
    record = BenchFilm.from_json((finished / "films" / "paste" / f"{ONE_SHOT}.json").read_bytes())
    assert record.sha256 is not None
    assert f"--contenders paste --only {ONE_SHOT} --seed 0" in record.command
    assert {"pvtt", "measuring", "torch", "av"} <= set(record.versions)
    assert record.seconds > 0


def test_the_same_command_keeps_what_is_whole(finished: Path, bench: BenchSet, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    films = sorted(out.rglob("*.mp4"))
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in films}
    (lost, damaged), kept = films[:2], films[2:]
    lost.unlink()
    damaged.write_bytes(before[damaged][1][:-7])
    run(bench, out, *LEARNT_NOTHING)
    assert all(path.stat().st_mtime_ns == before[path][0] for path in kept)
    assert all(path.read_bytes() == data for path, (_, data) in before.items())
    assert to_markdown(make_table(out)).count("ground truth (control)") == to_markdown(make_table(finished)).count(
        "ground truth (control)"
    )


@pytest.mark.proof  # of ads, tests/generation/ad/test_job.py and test_batch.py kill a run
def test_a_killed_run_goes_on_to_the_same_films(finished: Path, bench: BenchSet, tmp_path: Path) -> None:
    drawn = LEARNT_NOTHING[:1]
    words = ["--bench", str(bench.folder), "--contenders", ",".join(drawn), "--only", ONE_SHOT, "--out", "run"]
    command = [sys.executable, "-m", "pvtt.cli", "bench", "run", *words]
    with subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        wait_for(lambda: list((tmp_path / "run").rglob("films/mean_fill/*.mp4")), "a film", 300)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "run" / "run.json").exists()
    run(bench, tmp_path / "run", *drawn, only=[ONE_SHOT])
    names = {"ground_truth", "source_copy", *drawn}
    films = sorted(path.relative_to(finished) for name in names for path in finished.rglob(f"{name}/{ONE_SHOT}.mp4"))
    assert films == sorted(path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*.mp4"))
    assert all((finished / film).read_bytes() == (tmp_path / "run" / film).read_bytes() for film in films)


def test_one_run_at_a_time(bench: BenchSet, tmp_path: Path) -> None:
    with hold_lock(tmp_path / ".lock", "another"), pytest.raises(LockedError, match="pvtt bench run: another"):
        run(bench, tmp_path, "source_copy")


def test_a_table_of_an_unfinished_run_says_what_to_do(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"has no run\.json"):
        make_table(tmp_path)
    shutil.copytree(finished, tmp_path / "run")
    next((tmp_path / "run" / "films" / "paste").glob("*.score.json")).unlink()
    with pytest.raises(MissingInputError, match="its score is missing"):
        make_table(tmp_path / "run")


def test_unknown_names_are_refused(bench: BenchSet) -> None:
    with pytest.raises(PvttError, match="no contender pate"):
        chosen(["pate"], None, None)
    with pytest.raises(PvttError, match="no contender submission"):
        chosen(["submission"], None, None)
    with pytest.raises(PvttError, match="has no triplet 999"):
        bench.only(["999"])


def test_what_cannot_be_made_stands_in_the_table_as_the_template(
    finished: Path, bench: BenchSet, tmp_path: Path
) -> None:
    films, out = tmp_path / "films", with_controls(finished, tmp_path / "run")
    films.mkdir()
    shutil.copyfile(bench.place(bench.triplets[0]) / "truth.mp4", films / f"{bench.triplets[0].name}.mp4")
    (films / f"{bench.triplets[1].name}.mp4").write_bytes(b"no film at all")
    said: list[str] = []
    run_bench(bench, chosen([], None, films), out, seed=0, command="", say=said.append)
    assert len(said) == 1
    assert f"submission has no film of {bench.triplets[1].name}: not_a_video" in said[0]
    table = make_table(out)
    assert cell(table, "submission", "identity_top1") == 0.5
    assert "1 of 2 (not_a_video)" in to_markdown(table)
    page = render(table)
    assert "no film: not_a_video" in page


def test_the_model_makes_whole_films_and_swaps_photos(
    finished: Path, bench: BenchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PVTT_CACHE_DIR", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    model, out = write_model(tmp_path), with_controls(finished, tmp_path / "run")
    made = run(bench, out, "model_masked", "swapped", model=model, only=[ONE_SHOT])
    assert made.contenders == ("ground_truth", "source_copy", "swapped", "model_masked")
    assert made.controls == ("ground_truth", "source_copy", "swapped")
    masked, swapped = (
        BenchFilm.from_json((out / "films" / name / f"{ONE_SHOT}.json").read_bytes())
        for name in ("model_masked", "swapped")
    )
    assert masked.sha256 is not None, masked.message
    assert f"{TWO_SHOTS}/photos/1.jpg" in swapped.command
    assert f"{ONE_SHOT}/photos/1.jpg" in masked.command
    assert masked.command.startswith("pvtt generate --template")
    assert "template-mask.mkv" in masked.command
    score = json.loads((out / "films" / "model_masked" / f"{ONE_SHOT}.score.json").read_text())
    assert score["values"]["sound_same"] == 1


def test_markdown_and_latex_say_what_is_not_measured(table: BenchTable) -> None:
    text = to_markdown(table)
    assert text.count("| ground truth (control) |") == 5 + sum(len(grids) for _, grids in table.splits)
    assert "not measured" in text
    assert "| 100" in text
    latex = to_latex(table)
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == len(AXES)
    assert r"source copy (control) & " in latex
    assert not set("%↑↓ΔΔ") & set(latex.replace(r"\%", "").replace("% ", ""))


def test_names_of_triplets_are_escaped(table: BenchTable) -> None:
    triplets = tuple(one.model_copy(update={"caption": "<script>alert(1)</script>"}) for one in table.run.triplets)
    page = render(replace(table, run=table.run.model_copy(update={"triplets": triplets})))
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_plays_a_triplets_films_together(finished: Path, table: BenchTable, tmp_path: Path) -> None:
    (finished / "page.html").write_text(render(table), encoding="utf-8")
    with open_browser(tmp_path / "profile") as browser:
        browser.get((finished / "page.html").as_uri())
        assert browser.execute_script("return document.querySelectorAll('video').length") == 2 * 5
        browser.execute_script("document.querySelector('.triplet button').click()")
        first = "return [...document.querySelector('.triplet').querySelectorAll('video')]"
        wait_for(lambda: browser.execute_script(f"{first}.every(v => v.readyState > 1)"), "the first triplet's films")
        assert browser.execute_script(f"{first}.every(v => v.videoWidth === 240 && !v.paused)")
        assert browser.execute_script("return document.querySelector('.triplet button').textContent") == "Pause all"
        assert not console_errors(browser)


def test_a_bench_reads_again_what_it_wrote(bench: BenchSet) -> None:
    assert read_bench(bench.folder) == bench
    assert json.loads((bench.folder / "bench.json").read_text())["kind"] == "synthetic"
