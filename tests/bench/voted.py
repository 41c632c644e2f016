"""A bench run with known figures, whose films are real ones of the shipped bench, and votes on it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from pvtt.bench.axes import METRICS
from pvtt.bench.kept import FilmFiles
from pvtt.bench.sets import SHIPPED
from pvtt.bench.votes import vote_store
from pvtt.files.hashing import sha256_file
from pvtt.records.bench import BENCH_FILE, RUN_FILE, TRIPLETS, BenchFilm, BenchRun, BenchScore, RunTriplet
from pvtt.records.votes import Choice, Vote

TRIPLET_NAMES = ("017-pendant-as-pendant", "006-ring-as-box", "002-ring-as-ring")
CONTROLS = ("ground_truth", "source_copy")
CONTENDERS = ("paste", "inpaint", "model")  # the best comes last, by figures
SHA = "0" * 64


def write_run(folder: Path, *, without: tuple[str, str] | None = None) -> BenchRun:
    """Write a finished run of three contenders and the controls over three triplets.

    PSNR of the product ranks the contenders as `CONTENDERS` does, ΔE too, flicker backwards; SSIM is the same for all.

    Args:
        folder: Of the run.
        without: A contender and a triplet that it has no film of.
    """
    others = sorted(path for path in (SHIPPED / TRIPLETS).iterdir() if path.name not in TRIPLET_NAMES)
    run = BenchRun(
        bench=str(SHIPPED),
        bench_sha256=sha256_file(SHIPPED / BENCH_FILE),
        kind="synthetic",
        triplets=tuple(RunTriplet(name=one, product_id=one, caption="", splits={}) for one in TRIPLET_NAMES),
        contenders=(*CONTROLS, *CONTENDERS),
        says=dict.fromkeys((*CONTROLS, *CONTENDERS), "films"),
        controls=CONTROLS,
        seed=0,
        command="pvtt bench run",
        versions={},
        networks=(),
    )
    for place, triplet in enumerate(TRIPLET_NAMES):
        own = SHIPPED / TRIPLETS / triplet
        films = {"ground_truth": own / "truth.mp4", "source_copy": own / "template.mp4"}
        films |= {one: others[3 * place + rank] / "truth.mp4" for rank, one in enumerate(CONTENDERS)}
        for contender, film in films.items():
            _write_film(FilmFiles(folder, contender, triplet), None if (contender, triplet) == without else film)
    (folder / RUN_FILE).write_text(run.to_json())
    return run


def _write_film(files: FilmFiles, film: Path | None) -> None:
    files.film.parent.mkdir(parents=True, exist_ok=True)
    if film is not None:
        shutil.copyfile(film, files.film)
    record = BenchFilm(
        contender=files.contender,
        triplet=files.triplet,
        key=SHA,
        sha256=None if film is None else sha256_file(film),
        reason="" if film is not None else "error",
        seed=0,
        command="pvtt bench run",
        versions={},
        seconds=1,
    )
    rank = float(CONTENDERS.index(files.contender)) if files.contender in CONTENDERS else 0.0
    values: dict[str, float | None] = dict.fromkeys(metric.name for metric in METRICS)
    values |= {"product_psnr": 20 + rank, "product_delta_e": 9 - rank, "flicker": 1 + rank, "ssim": 0.5}
    files.record.write_text(record.to_json())
    files.score.write_text(BenchScore(key=SHA, values=values).to_json())


def vote(folder: Path, rater: str, triplet: str, left: str, right: str, choice: Choice, again: bool = False) -> Vote:
    """A vote on films as they lie in the run."""
    hashes = [FilmFiles(folder, one, triplet).read_record() for one in (left, right)]
    assert hashes[0] is not None
    assert hashes[1] is not None
    return Vote(
        rater=rater,
        item=triplet,
        left=left,
        right=right,
        left_sha256=hashes[0].sha256 or "",
        right_sha256=hashes[1].sha256 or "",
        again=again,
        choice=choice,
        voted_at="2026-01-01T00:00:00+00:00",
    )


def cast(folder: Path, raters: Mapping[str, str]) -> None:
    """Have raters vote on every pair of contenders: `figures` as the figures rank, `left` always for the left one."""
    for rater, how in raters.items():
        for triplet in TRIPLET_NAMES:
            for one, other in combinations(CONTENDERS, 2):
                vote_store(folder).append(
                    vote(folder, rater, triplet, one, other, "right" if how == "figures" else "left")
                )
